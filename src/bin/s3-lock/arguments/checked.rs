//! The values of options that are checked before anything is done.

/// A fencing token.
pub fn token(text: &str) -> Result<u64, String> {
    text.parse()
        .map_err(|_| "give the number that `s3-lock status` shows as the token".to_owned())
}

/// An id of a process.
pub fn process_id(text: &str) -> Result<u32, String> {
    match text.parse() {
        Ok(0) | Err(_) => Err("give the id of a process, as $$ in a shell".to_owned()),
        Ok(id) => Ok(id),
    }
}

/// The name of an owner: what the library takes.
pub fn owner(text: &str) -> Result<String, String> {
    named(text, "an owner", 512)
}

/// The label of a run that is made once: what the library takes.
pub fn label(text: &str) -> Result<String, String> {
    if text.contains("$(") || text.contains('`') {
        return Err(
            "it was not expanded by a shell, so it would be the same each time; write it in double quotes, or run sh -c"
                .to_owned(),
        );
    }
    named(text, "a label", 128)
}

fn named(text: &str, what: &str, most: usize) -> Result<String, String> {
    if text.is_empty() {
        return Err(format!(
            "{what} has at least one character; is a variable empty?"
        ));
    }
    if text.chars().any(char::is_control) {
        return Err(format!("{what} has no control characters"));
    }
    if text.len() > most {
        return Err(format!(
            "{what} has at most {most} bytes, and this has {}",
            text.len()
        ));
    }
    Ok(text.to_owned())
}
