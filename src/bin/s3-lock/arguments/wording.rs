//! The library advises programmers. What it names is an option here.

/// What the library's messages name, and what stands for it on the command line.
const NAMES: [(&str, &str); 19] = [
    ("invalid url", "invalid URL"),
    ("invalid max_operation ", "invalid --max-operation "),
    ("invalid max_hold ", "invalid --max-hold "),
    ("invalid purpose ", "invalid --purpose "),
    ("invalid owner ", "invalid --owner "),
    ("invalid label ", "invalid --once "),
    (
        "raise acquire_allowance if the store is always this slow",
        "see with `s3-lock doctor` why the store is slow",
    ),
    ("call ClientBuilder::region", "give --region"),
    ("ClientBuilder::region", "--region"),
    (
        ", give the machine or container a role, or call ClientBuilder::credentials",
        " or --profile, or give the machine or container a role",
    ),
    (
        "call ClientBuilder::no_proxy if this client",
        "unset it if this command",
    ),
    ("ClientBuilder::endpoint", "--endpoint-url"),
    (
        "give credentials to the client or the environment",
        "give credentials by the environment or a profile",
    ),
    ("ClientBuilder::profile", "--profile"),
    ("ClientBuilder::ca_bundle", "--ca-bundle"),
    ("call S3Lock::check_store", "run `s3-lock doctor`"),
    (
        "call acquire_once for it again, which tells, or gives you the lock to do the work again",
        "run it again with the same --once, which tells, or does the work again",
    ),
    (
        "build the client with assume_conditional_writes()",
        "give --assume-conditional-writes",
    ),
    (
        "without assume_conditional_writes",
        "without --assume-conditional-writes",
    ),
];

/// A message of the library in the words of the command line.
pub fn as_options(message: &str) -> String {
    let names = NAMES.iter();
    names.fold(message.to_owned(), |text, (name, option)| {
        text.replace(name, option)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_of_the_library_is_named_as_the_option_that_sets_it() {
        assert_eq!(
            as_options("invalid max_operation 0ns: too short"),
            "invalid --max-operation 0ns: too short"
        );
        assert_eq!(
            as_options("set one of them or call ClientBuilder::region"),
            "set one of them or give --region"
        );
    }
}
