//! The commands with which people sign in, as they can be pasted into a shell. Pure.

/// `aws sso login` for a session.
pub(super) fn sso_login(session: &str) -> String {
    format!("aws sso login --sso-session {}", quoted(session))
}

/// `aws sso login` for a profile with the older keys.
pub(super) fn sso_login_of_profile(profile: &str) -> String {
    format!("aws sso login --profile {}", quoted(profile))
}

/// `aws login` for a profile.
pub(super) fn login(profile: &str) -> String {
    format!("aws login --profile {}", quoted(profile))
}

/// The line of a profile that has the AWS CLI do it.
pub(super) fn export(profile: &str) -> String {
    let profile = quoted(profile);
    format!(
        "credential_process = aws configure export-credentials --profile {profile} --format process"
    )
}

/// A word of a command line.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-./:@%+=,".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    let with_marks = || format!("\"{word}\"");
    if cfg!(windows) {
        return with_marks();
    }
    // Only a NUL cannot be quoted.
    shlex::try_quote(word).map_or_else(|_| with_marks(), |word| word.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_name_stands_as_it_is() {
        assert_eq!(sso_login("corp"), "aws sso login --sso-session corp");
        assert_eq!(login("me@corp-1"), "aws login --profile me@corp-1");
    }

    #[test]
    #[cfg(unix)]
    fn a_shell_takes_any_name_for_one_word() {
        for name in ["two words", "a'b", "$(touch x)", "a\"b", "ä", ""] {
            let words = shlex::split(&sso_login_of_profile(name)).unwrap();
            assert_eq!(words, ["aws", "sso", "login", "--profile", name]);
        }
    }
}
