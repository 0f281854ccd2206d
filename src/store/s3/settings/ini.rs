//! The text of AWS's shared files: sections of settings, some of them nested. Pure.

use std::collections::HashMap;

/// The settings of one section.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Section {
    /// As they stand there. One that has no value is here, too.
    settings: HashMap<String, String>,
    flaw: Option<Flaw>,
}

/// A line that cannot be what was meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Flaw {
    /// From 1 on.
    pub line: usize,
    pub what: &'static str,
}

const NO_SETTING: &str = "is no setting: it has the form `name = value`";
const STRAY: &str = "stands before the first section: a line such as [default] is missing";
const TWICE: &str = "sets what is set to another value before";

impl Section {
    /// A setting that is not empty. `s3.endpoint_url` is the one that is nested in `s3`.
    pub(crate) fn get(&self, key: &str) -> Option<&str> {
        self.said(key).filter(|v| !v.is_empty())
    }

    /// A setting that may be empty.
    pub(crate) fn said(&self, key: &str) -> Option<&str> {
        self.whole(key).map(|value| uncommented(value).trim())
    }

    /// The same with all that stands behind it, comments too.
    pub(crate) fn whole(&self, key: &str) -> Option<&str> {
        self.settings.get(key).map(String::as_str)
    }

    /// The names of the settings, in no order.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &str> {
        self.settings.keys().map(String::as_str)
    }

    /// The first line that is wrong.
    pub(crate) fn flaw(&self) -> Option<Flaw> {
        self.flaw
    }

    /// Adds the settings of another file, which take precedence. Keys are taken from one file only: a
    /// session token belongs to the keys next to it.
    pub(super) fn merge(&mut self, other: &Section) {
        const KEYS: [&str; 4] = [
            "aws_access_key_id",
            "aws_secret_access_key",
            "aws_session_token",
            "aws_security_token",
        ];
        if KEYS.iter().any(|key| other.settings.contains_key(*key)) {
            self.settings.retain(|key, _| !KEYS.contains(&key.as_str()));
        }
        let own = |(key, value): (&String, &String)| (key.clone(), value.clone());
        self.settings.extend(other.settings.iter().map(own));
        self.flaw = self.flaw.or(other.flaw);
    }

    /// Adds what it does not have itself.
    fn inherit(&mut self, other: &Section) {
        for (key, value) in &other.settings {
            let own = self.settings.entry(key.clone());
            own.or_insert_with(|| value.clone());
        }
    }

    fn note(&mut self, line: usize, what: &'static str) {
        self.flaw = self.flaw.or(Some(Flaw { line, what }));
    }
}

impl<'a> FromIterator<(&'a str, &'a str)> for Section {
    fn from_iter<I: IntoIterator<Item = (&'a str, &'a str)>>(pairs: I) -> Section {
        let own = |(key, value): (&str, &str)| (key.to_owned(), value.to_owned());
        Section {
            settings: pairs.into_iter().map(own).collect(),
            flaw: None,
        }
    }
}

/// The sections of one file in their order, by header without the brackets, the way they stand there.
/// Sections with the same header are one.
pub(super) struct Sections {
    sections: Vec<(String, Section)>,
    /// The first line before them all that is not empty.
    stray: Option<Flaw>,
}

/// The section whose settings all others have, too, as in Python's `configparser`, which AWS's own tools
/// read these files with.
const SHARED: &str = "DEFAULT";

impl Sections {
    pub(super) fn read(text: &str) -> Sections {
        let mut reader = Reader::default();
        // A carriage return alone ends a line, too, as in Python.
        let text = text.replace("\r\n", "\n").replace('\r', "\n");
        // Some editors begin a file with a byte order mark.
        let lines = text.trim_start_matches('\u{feff}').lines();
        for (before, line) in lines.enumerate() {
            reader.read(before + 1, line);
        }
        let Reader {
            mut sections,
            stray,
            ..
        } = reader;
        if let Some(at) = sections.iter().position(|(header, _)| header == SHARED) {
            let (_, shared) = sections.remove(at);
            for (_, section) in &mut sections {
                section.inherit(&shared);
            }
        }
        Sections { sections, stray }
    }

    /// What is wrong with the file as a whole.
    pub(super) fn stray(&self) -> Option<Flaw> {
        self.stray
    }

    /// The section `[kind name]`, or `[name]` if there is no kind. A name may be written in several ways:
    /// the last one counts, as in AWS's own tools.
    pub(super) fn find(&self, kind: Option<&str>, name: &str) -> Option<&Section> {
        self.last(|header| is(header, kind, name))
    }

    /// The profile `name` in a file of settings, where only the default one needs no prefix.
    pub(super) fn find_profile(&self, name: &str) -> Option<&Section> {
        let is_default = |header: &str| name == "default" && header == name;
        self.last(|header| is(header, Some("profile"), name) || is_default(header))
    }

    fn last(&self, is_wanted: impl Fn(&str) -> bool) -> Option<&Section> {
        let mut found = self
            .sections
            .iter()
            .rev()
            .filter(|(header, _)| is_wanted(header));
        found.next().map(|(_, section)| section)
    }
}

#[derive(Default)]
struct Reader {
    sections: Vec<(String, Section)>,
    /// The section that the next line belongs to.
    inside: Option<usize>,
    above: Option<Above>,
    stray: Option<Flaw>,
}

/// A setting to which lines that are indented further belong.
struct Above {
    key: String,
    indent: usize,
    /// Whether it has no value of its own. Then these lines are settings, else they go on with its value.
    nests: bool,
}

impl Reader {
    fn read(&mut self, number: usize, line: &str) {
        let plain = line.trim();
        let indent = line.len() - line.trim_start().len();
        if plain.is_empty() || plain.starts_with(['#', ';']) {
            return;
        }
        match self.above.take() {
            Some(above) if indent > above.indent => {
                self.go_on(number, plain, &above);
                self.above = Some(above);
            }
            _ => match plain.strip_prefix('[') {
                Some(header) => self.begin(header),
                None => self.set(number, plain, indent),
            },
        }
    }

    fn begin(&mut self, header: &str) {
        let header = header.split(']').next().unwrap_or_default().trim();
        let found = self.sections.iter().position(|(known, _)| known == header);
        self.inside = found.or_else(|| {
            self.sections.push((header.to_owned(), Section::default()));
            Some(self.sections.len() - 1)
        });
    }

    fn section(&mut self) -> Option<&mut Section> {
        let (_, section) = self.sections.get_mut(self.inside?)?;
        Some(section)
    }

    fn set(&mut self, number: usize, line: &str, indent: usize) {
        let found = line.split_once(['=', ':']);
        let (key, value) = found.unwrap_or_default();
        let (key, value) = (key.trim().to_ascii_lowercase(), value.trim());
        self.above = Some(Above {
            key: key.clone(),
            indent,
            nests: uncommented(value).is_empty(),
        });
        let Some(section) = self.section() else {
            let flaw = Flaw {
                line: number,
                what: STRAY,
            };
            self.stray = self.stray.or(Some(flaw));
            return;
        };
        // No name has a space: `endpoint_url http://host` has no equals sign, and a colon by chance.
        if key.is_empty() || key.contains(char::is_whitespace) {
            return section.note(number, NO_SETTING);
        }
        let before = section.settings.insert(key, value.to_owned());
        if before.is_some_and(|before| before != value) {
            section.note(number, TWICE);
        }
    }

    fn go_on(&mut self, number: usize, line: &str, above: &Above) {
        let Some(section) = self.section() else {
            return;
        };
        if !above.nests {
            if let Some(value) = section.settings.get_mut(&above.key) {
                value.push('\n');
                value.push_str(line);
            }
            return;
        }
        match line.split_once('=') {
            Some((key, value)) => {
                let key = format!("{}.{}", above.key, key.trim().to_ascii_lowercase());
                section.settings.insert(key, value.trim().to_owned());
            }
            None => section.note(number, NO_SETTING),
        }
    }
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
    if value.starts_with(['#', ';']) {
        return "";
    }
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
    fn a_colon_divides_a_setting_as_well_as_an_equals_sign() {
        let found = found("[a]\nx: 1\ny:2\nz = http://a:1\n", None, "a").unwrap();
        let told = ["x", "y", "z"].map(|key| found.get(key).unwrap());
        assert_eq!(told, ["1", "2", "http://a:1"]);
    }

    #[test]
    fn lines_may_end_in_any_way() {
        for end in ["\n", "\r\n", "\r"] {
            let text = ["[a]", "x = 1", "", "y = 2", ""].join(end);
            let found = found(&text, None, "a").unwrap();
            assert_eq!((found.get("x"), found.get("y")), (Some("1"), Some("2")));
        }
    }

    #[test]
    fn a_value_goes_on_in_lines_that_are_indented_further() {
        let text = "[a]\nx = get\n  # a comment\n\n  keys = b\ny = 1\n";
        let found = found(text, None, "a").unwrap();
        assert_eq!(found.whole("x"), Some("get\nkeys = b"));
        assert_eq!(found.get("y"), Some("1"));
        assert_eq!(found.flaw(), None);
    }

    #[test]
    fn an_empty_setting_is_told_from_one_that_is_not_there() {
        let found = found("[a]\nx =\ny = # to do\n", None, "a").unwrap();
        assert_eq!(
            (found.said("x"), found.said("y"), found.said("z")),
            (Some(""), Some(""), None)
        );
        assert_eq!((found.get("x"), found.get("y")), (None, None));
    }

    #[test]
    fn what_cannot_have_been_meant_is_noted_with_its_line() {
        for (text, line, what) in [
            ("[a]\nx = 1\nkeys\n", 3, NO_SETTING),
            ("[a]\n= 1\n", 2, NO_SETTING),
            ("[a]\nendpoint_url http://host\n", 2, NO_SETTING),
            ("[a]\nx =\n  get keys\n", 3, NO_SETTING),
            ("[a]\nx = 1\n# x\nX = 2\n", 4, TWICE),
            ("[a]\nx = 1\n[b]\n[a]\nx = 2\n", 5, TWICE),
        ] {
            let found = found(text, None, "a").unwrap();
            assert_eq!(found.flaw(), Some(Flaw { line, what }), "{text}");
        }
        for text in ["[a]\nx = 1\nx = 1\n", "[b]\nkeys\n[a]\nx = 1\n"] {
            assert_eq!(found(text, None, "a").unwrap().flaw(), None, "{text}");
        }
    }

    #[test]
    fn a_setting_before_the_first_section_is_noted() {
        let stray = |text| Sections::read(text).stray().map(|flaw| flaw.line);
        assert_eq!(stray("# mine\n\nx = 1\n[a]\n"), Some(3));
        assert_eq!(stray("# mine\n[a]\nx = 1\n"), None);
    }

    #[test]
    fn of_two_spellings_of_one_name_the_last_counts() {
        let text = "[profile a]\nx = 1\n[profile \"a\"]\nx = 2\n[profile  a]\nx = 3\n";
        let found = found(text, Some("profile"), "a").unwrap();
        assert_eq!(found.get("x"), Some("3"));
    }

    #[test]
    fn settings_of_the_shared_section_are_in_all_others_that_do_not_have_them() {
        let text = "[a]\nx = 1\n[DEFAULT]\nx = 2\ny = 3\n[b]\n";
        let sections = Sections::read(text);
        let get = |name, key| sections.find(None, name).unwrap().get(key);
        assert_eq!((get("a", "x"), get("a", "y")), (Some("1"), Some("3")));
        assert_eq!((get("b", "x"), get("b", "y")), (Some("2"), Some("3")));
        assert_eq!(sections.find(None, "DEFAULT"), None);
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
