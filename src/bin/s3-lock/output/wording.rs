//! The library's texts in the words of the command: options instead of methods.

/// Longer texts come before those that they hold.
const WORDS: [(&str, &str); 10] = [
    (
        "or call ClientBuilder::no_proxy if this client needs none",
        "or unset it if none is needed",
    ),
    (
        "give the machine or container a role, or call ClientBuilder::credentials",
        "or give the machine or container a role",
    ),
    (
        "build the client with assume_conditional_writes() instead",
        "give --assume-conditional-writes instead",
    ),
    ("call ClientBuilder::region", "give --region"),
    ("ClientBuilder::endpoint", "--endpoint-url"),
    ("ClientBuilder::region", "--region"),
    ("ClientBuilder::profile", "--profile"),
    ("ClientBuilder::ca_bundle", "--ca-bundle"),
    ("reclaim_same_owner", "--reclaim"),
    ("max_operation", "--max-operation"),
];

/// A text of the library's, for people who have the command alone.
pub fn of_the_command(text: &str) -> String {
    let replaced = |text: String, (from, to): &(&str, &str)| text.replace(from, to);
    WORDS.iter().fold(text.to_owned(), replaced)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_named_instead_of_methods() {
        let told = of_the_command(
            "ClientBuilder::endpoint says http://h: check it, or call ClientBuilder::region",
        );
        assert_eq!(
            told,
            "--endpoint-url says http://h: check it, or give --region"
        );
    }

    #[test]
    fn nobody_is_told_to_give_keys_in_code() {
        let told = of_the_command(
            "name a profile that has keys in AWS_PROFILE, give the machine or container a role, or call \
             ClientBuilder::credentials",
        );
        assert_eq!(
            told,
            "name a profile that has keys in AWS_PROFILE, or give the machine or container a role"
        );
    }
}
