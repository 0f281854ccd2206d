//! The URL of a lock that was found.

/// The URL of the lock whose object has this key, as a command reads it.
pub fn url_of(bucket: &str, key: &str) -> String {
    let path = key.strip_suffix(".lock").unwrap_or(key);
    // An ending `.lock` is taken for that of a key, so a name that ends so needs it twice.
    let path = if path.ends_with(".lock") { key } else { path };
    let mut url = format!("s3://{bucket}/");
    for c in path.chars() {
        match c {
            '%' | '?' | '#' | ' ' => url.push_str(&format!("%{:02X}", u32::from(c))),
            c if c.is_control() => {
                let mut bytes = [0; 4];
                for byte in c.encode_utf8(&mut bytes).bytes() {
                    url.push_str(&format!("%{byte:02X}"));
                }
            }
            c => url.push(c),
        }
    }
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_url_of_a_key_is_what_a_command_takes() {
        assert_eq!(url_of("b", "locks/nightly.lock"), "s3://b/locks/nightly");
        assert_eq!(url_of("b", "a b/50%?#é.lock"), "s3://b/a%20b/50%25%3F%23é");
    }

    #[test]
    fn the_url_of_a_name_that_ends_as_a_key_keeps_the_ending_of_the_key() {
        assert_eq!(url_of("b", "a.lock.lock"), "s3://b/a.lock.lock");
    }
}
