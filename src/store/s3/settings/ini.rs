//! The text of AWS's shared files: sections of settings, some of them nested. Pure.

use std::collections::HashMap;

/// The settings of one section.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Section(HashMap<String, String>);

impl Section {
    /// A setting that is not empty. `s3.endpoint_url` is the one that is nested in `s3`.
    pub(crate) fn get(&self, key: &str) -> Option<&str> {
        let value = self.0.get(key).map(String::as_str);
        value.filter(|v| !v.is_empty())
    }

    /// The names of the settings, in no order.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Adds a line to a value.
    fn go_on(&mut self, key: &str, line: &str) {
        if let Some(value) = self.0.get_mut(key) {
            value.push('\n');
            value.push_str(line.trim_end());
        }
    }

    /// Adds the settings of another file, which take precedence. Keys are taken from one file only: a
    /// session token belongs to the keys next to it.
    pub(super) fn merge(&mut self, other: &Section) {
        const KEYS: [&str; 3] = [
            "aws_access_key_id",
            "aws_secret_access_key",
            "aws_session_token",
        ];
        if KEYS.iter().any(|key| other.0.contains_key(*key)) {
            self.0.retain(|key, _| !KEYS.contains(&key.as_str()));
        }
        let own = |(key, value): (&String, &String)| (key.clone(), value.clone());
        self.0.extend(other.0.iter().map(own));
    }
}

impl<'a> FromIterator<(&'a str, &'a str)> for Section {
    fn from_iter<I: IntoIterator<Item = (&'a str, &'a str)>>(pairs: I) -> Section {
        let own = |(key, value): (&str, &str)| (key.to_owned(), value.to_owned());
        Section(pairs.into_iter().map(own).collect())
    }
}

/// The sections of one file, by header without the brackets, the way they stand there. Sections with
/// the same header are one.
pub(super) struct Sections(HashMap<String, Section>);

impl Sections {
    pub(super) fn read(text: &str) -> Sections {
        let mut sections: HashMap<String, Section> = HashMap::new();
        let mut inside: Option<String> = None;
        let mut above: Option<Above> = None;
        // Some editors begin a file with a byte order mark.
        for line in text.trim_start_matches('\u{feff}').lines() {
            let plain = line.trim_start();
            let indent = line.len() - plain.len();
            if plain.is_empty() || plain.starts_with(['#', ';']) {
                continue;
            }
            // A line that is indented further belongs to the setting above.
            let outer = above.as_ref().filter(|above| indent > above.indent);
            if let (None, Some(header)) = (outer, plain.strip_prefix('[')) {
                let header = header.split(']').next().unwrap_or_default();
                let header = header.trim().to_owned();
                sections.entry(header.clone()).or_default();
                (inside, above) = (Some(header), None);
                continue;
            }
            let section = inside.as_ref().and_then(|i| sections.get_mut(i));
            if let Some(above) = outer {
                let has_value = |section: &&mut Section| section.get(&above.key).is_some();
                if let Some(section) = section.filter(has_value) {
                    // It goes on with that value, as Python reads it: no setting is lost in silence.
                    section.go_on(&above.key, plain);
                    continue;
                }
            }
            let Some((key, value)) = setting(plain) else {
                if outer.is_none() {
                    above = Some(Above::new(String::new(), indent));
                }
                continue;
            };
            let full = outer.map(|above| format!("{}.{key}", above.key));
            if outer.is_none() {
                above = Some(Above::new(key.clone(), indent));
            }
            if let Some(section) = inside.as_ref().and_then(|i| sections.get_mut(i)) {
                section.0.insert(full.unwrap_or(key), value);
            }
        }
        Sections(sections)
    }

    /// The section `[kind name]`, or `[name]` if there is no kind.
    pub(super) fn find(&self, kind: Option<&str>, name: &str) -> Option<&Section> {
        let mut found = self.0.iter().filter(|(header, _)| is(header, kind, name));
        found.next().map(|(_, section)| section)
    }
}

/// A setting in which later lines may be nested.
struct Above {
    key: String,
    indent: usize,
}

impl Above {
    fn new(key: String, indent: usize) -> Above {
        Above { key, indent }
    }
}

fn setting(line: &str) -> Option<(String, String)> {
    let (key, value) = line.split_once('=')?;
    let value = uncommented(value).trim().to_owned();
    Some((key.trim().to_ascii_lowercase(), value))
}

fn is(header: &str, kind: Option<&str>, name: &str) -> bool {
    named(header, kind) == Some(name)
}

/// The name in a header of this kind.
fn named<'a>(header: &'a str, kind: Option<&str>) -> Option<&'a str> {
    let Some(kind) = kind else {
        return Some(header);
    };
    let rest = header.strip_prefix(kind)?;
    // `[profiles]` is not a profile.
    rest.starts_with([' ', '\t']).then(|| unquoted(rest.trim()))
}

/// A name with spaces is quoted.
fn unquoted(name: &str) -> &str {
    let inner = |quote| name.strip_prefix(quote)?.strip_suffix(quote);
    inner('"').or_else(|| inner('\'')).unwrap_or(name)
}

/// A value without the comment after it.
fn uncommented(value: &str) -> &str {
    let begins = [" #", " ;", "\t#", "\t;"].map(|mark| value.find(mark));
    let end = begins.into_iter().flatten().min();
    &value[..end.unwrap_or(value.len())]
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
# a comment
[default]
region = eu-west-1  # where we are
s3 =
  max_concurrent_requests = 20
[profile build]
AWS_ACCESS_KEY_ID=AK
aws_secret_access_key = s3=cr#t
[build]
region = nowhere
[services local]
s3 =
  endpoint_url = http://127.0.0.1:9000
sts =
  endpoint_url = http://127.0.0.1:9001
";

    fn found(text: &str, kind: Option<&str>, name: &str) -> Option<Section> {
        Sections::read(text).find(kind, name).cloned()
    }

    #[test]
    fn a_section_has_its_settings() {
        let build = found(TEXT, Some("profile"), "build").unwrap();
        assert_eq!(build.get("aws_access_key_id"), Some("AK"));
        assert_eq!(build.get("aws_secret_access_key"), Some("s3=cr#t"));
        assert_eq!(build.get("region"), None);
    }

    #[test]
    fn a_section_without_a_kind_is_another() {
        let build = found(TEXT, None, "build").unwrap();
        assert_eq!(build.get("region"), Some("nowhere"));
    }

    #[test]
    fn settings_that_are_nested_have_the_outer_name_in_front() {
        let services = found(TEXT, Some("services"), "local").unwrap();
        assert_eq!(
            services.get("s3.endpoint_url"),
            Some("http://127.0.0.1:9000")
        );
        assert_eq!(
            services.get("sts.endpoint_url"),
            Some("http://127.0.0.1:9001")
        );
        assert_eq!(services.get("s3"), None);
    }

    #[test]
    fn a_mark_at_the_beginning_of_a_file_is_no_part_of_it() {
        let marked = "\u{feff}[default]\nregion = eu-west-1\n";
        let default = found(marked, None, "default").unwrap();
        assert_eq!(default.get("region"), Some("eu-west-1"));
    }

    #[test]
    fn a_section_that_is_not_there_is_none() {
        assert_eq!(found(TEXT, Some("profile"), "other"), None);
        assert_eq!(found("[profiles]\n", Some("profile"), "s"), None);
    }

    #[test]
    fn a_quoted_name_may_hold_a_space() {
        for header in [
            "[profile \"my own\"]",
            "[profile 'my own']",
            "[profile\tmy own]",
        ] {
            let text = format!("{header}\nregion = eu-west-1\n");
            let found = found(&text, Some("profile"), "my own").expect(header);
            assert_eq!(found.get("region"), Some("eu-west-1"));
        }
    }

    #[test]
    fn settings_may_be_indented_and_what_is_nested_in_them_is_not_theirs() {
        let text = "[default]\n  s3 =\n    region = nested\n  region = eu-west-1\n";
        let found = found(text, None, "default").unwrap();
        assert_eq!(found.get("region"), Some("eu-west-1"));
    }

    #[test]
    fn a_line_that_is_indented_below_a_value_goes_on_with_it() {
        let text = "[default]\nregion = eu-west-1\n  endpoint_url = http://a\noutput = json\n";
        let found = found(text, None, "default").unwrap();
        let region = "eu-west-1\nendpoint_url = http://a";
        assert_eq!(found.get("region"), Some(region));
        assert_eq!(found.get("output"), Some("json"));
    }

    #[test]
    fn sections_of_one_header_are_one() {
        let text = "[a]\nx = 1\n[b]\n[a]\ny = 2\n";
        let expected = [("x", "1"), ("y", "2")].into_iter().collect();
        assert_eq!(found(text, None, "a"), Some(expected));
    }

    #[test]
    fn a_comment_behind_a_value_begins_with_either_mark() {
        for text in ["a # b", "a ; b", "a\t# b ; c"] {
            assert_eq!(uncommented(text).trim(), "a");
        }
        assert_eq!(uncommented("a;b#c"), "a;b#c");
    }

    #[test]
    fn a_session_token_belongs_to_the_keys_of_its_own_file() {
        let own = |keys: &[&'static str]| -> Section { keys.iter().map(|k| (*k, "x")).collect() };
        let mut settings = own(&["region", "aws_access_key_id", "aws_session_token"]);
        settings.merge(&own(&["aws_access_key_id"]));
        assert_eq!(settings, own(&["region", "aws_access_key_id"]));
    }
}
