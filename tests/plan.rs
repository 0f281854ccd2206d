//! Holds the crate's sources to the plan of `src/architecture.md`: imports point down, none go in a
//! circle, and what is foreign is named where it belongs. Beside that, it holds documentation and dependencies to what
//! is said of them.

#[path = "plan/line_widths.rs"]
mod line_widths;
#[path = "plan/rust_versions.rs"]
mod rust_versions;
#[path = "plan/sources.rs"]
mod sources;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use sources::{Name, Source, Sources, Use};

/// Where what is foreign may be named: the start of a path, and the files or folders. Every dependency is
/// here.
const PLACES: [(&str, &[&str]); 31] = [
    (
        "base64",
        &["store/s3/settings/proxy/", "store/s3/credentials/sign_in/"],
    ),
    ("chrono", &["protocol/", "store/s3/"]),
    ("form_urlencoded", &["store/s3/credentials/"]),
    ("futures_util", &["store/s3/credentials/cache.rs"]),
    ("httparse", &["store/s3/network/tunnel_reply.rs"]),
    ("hyper", &["store/s3/"]),
    ("hyper_tls", &["store/s3/network/"]),
    ("libc", &["sys/forks.rs"]),
    ("log", &["sys/log_line.rs", "sys/logs.rs"]),
    ("native_tls", &["store/s3/network/"]),
    ("openssl", &["store/s3/credentials/sign_in/dpop.rs"]),
    (
        "percent_encoding",
        &[
            "store/s3/list.rs",
            "store/s3/settings/proxy/",
            "types/lock_url.rs",
        ],
    ),
    ("rand", &["sys/random.rs"]),
    ("rusoto_core", &["store/s3/"]),
    ("rusoto_s3", &["store/s3/list.rs"]),
    ("rustix", &["sys/", "store/s3/credentials/process.rs"]),
    (
        "serde",
        &[
            "protocol/",
            "types/",
            "store/s3/credentials/",
            "engine/store_check/",
        ],
    ),
    (
        "serde_json",
        &["protocol/", "store/s3/credentials/", "engine/store_check/"],
    ),
    ("sha1_smol", &["store/s3/credentials/sign_in/"]),
    ("sha2", &["store/s3/credentials/sign_in/"]),
    ("shlex", &["store/s3/credentials/"]),
    ("std::net", &["store/s3/"]),
    ("thiserror", &["types/"]),
    ("tokio", &["sys/", "store/s3/", "engine/"]),
    ("tokio::net", &["store/s3/network/"]),
    ("tokio::runtime", &["sys/runtime.rs"]),
    ("xml", &["store/s3/xml.rs"]),
    ("crate::store::memory", &["store/", "api/"]),
    ("crate::store::s3", &["store/", "api/", "internals/"]),
    // Within S3: its settings and the meaning of replies name neither of these.
    (
        "crate::store::s3::network",
        &[
            "store/s3/network/",
            "store/s3/credentials/",
            "store/s3/s3_store.rs",
            "store/s3/sending.rs",
            "store/s3/site.rs",
        ],
    ),
    (
        "crate::store::s3::credentials",
        &[
            "store/s3/credentials/",
            "store/s3/sending.rs",
            "store/s3/site.rs",
            "store/s3/mod.rs",
        ],
    ),
];

/// The same in the command, whose dependencies are all here that the library does not name. It names the library as
/// any program does.
const PLACES_OF_THE_COMMAND: [(&str, &[&str]); 16] = [
    ("anstream", &["output/"]),
    ("anstyle", &["output/"]),
    ("clap", &["arguments/", "commands/"]),
    ("clap_complete", &["arguments/", "commands/"]),
    ("clap_mangen", &["commands/"]),
    ("humantime", &["arguments/", "output/"]),
    ("indicatif", &["output/"]),
    ("libc", &["system/unsafe_calls.rs"]),
    ("log", &["output/"]),
    ("rustix", &["system/", "supervise/"]),
    ("serde", &["output/"]),
    ("serde_json", &["output/", "supervise/"]),
    ("signal_hook_registry", &["system/unsafe_calls.rs"]),
    ("std::process::Command", &["system/"]),
    ("tokio", &["no file of the command"]),
    ("unicode_width", &["output/"]),
];

/// What the rules may name besides themselves.
const PURE: [&str; 11] = [
    "chrono",
    "crate::protocol",
    "serde",
    "serde_json",
    "std::fmt",
    "std::hash",
    "std::mem",
    "std::num",
    "std::ops",
    "std::sync::Arc",
    "std::time",
];

fn sources() -> Sources {
    Sources::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"))
}

fn sources_of_the_command() -> Sources {
    Sources::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/bin/s3-lock"))
}

/// The rooms from the top down, as the table of the page has them.
fn rooms() -> Vec<String> {
    rooms_below("# The rooms")
}

fn rooms_of_the_command() -> Vec<String> {
    rooms_below("# The command")
}

fn rooms_below(heading: &str) -> Vec<String> {
    let page = include_str!("../src/architecture.md");
    let (_, page) = page.split_once(heading).expect("the page has the rooms");
    let (table, _) = page.split_once("\n# ").expect("more follows them");
    let cells = table.lines().filter_map(|line| line.strip_prefix("| `"));
    let rooms = cells.filter_map(|rest| Some(rest.split_once("/` |")?.0.to_owned()));
    rooms.collect()
}

fn room(file: &str) -> Option<&str> {
    Some(file.split_once('/')?.0)
}

/// The names of all dependencies, as code names them.
fn dependencies() -> BTreeSet<String> {
    let mut is_inside = false;
    let mut names = BTreeSet::new();
    for line in include_str!("../Cargo.toml").lines() {
        if line.starts_with('[') {
            is_inside = line.ends_with("dependencies]") && line != "[dev-dependencies]";
            assert!(
                !line.contains("dependencies."),
                "{line}: give it a line of its own"
            );
        } else if let Some((name, _)) = line.split_once(" = ").filter(|_| is_inside) {
            // The crate of the package `xml-rs` is called `xml`.
            names.insert(name.trim_end_matches("-rs").replace('-', "_"));
        }
    }
    names
}

/// Whether a path is this, or in it.
fn is_in(path: &str, start: &str) -> bool {
    path.strip_prefix(start)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

/// What each file names and may not.
fn complaints(sources: &Sources, complaint: impl Fn(&str, &Name) -> Option<String>) -> Vec<String> {
    let mut found = BTreeSet::new();
    for (file, Source { names, .. }) in &sources.0 {
        for name in names {
            if let Some(why) = complaint(file, name) {
                found.insert(format!(
                    "src/{file}:{}: {} {why}",
                    name.line,
                    name.path.join("::")
                ));
            }
        }
    }
    found.into_iter().collect()
}

/// Imports that point up, from a file in a room.
fn upward(sources: &Sources, rooms: &[String]) -> Vec<String> {
    let floor = |file: &str| {
        let room = room(file)?;
        rooms.iter().position(|other| other == room)
    };
    complaints(sources, |file, name| {
        let target = sources.target(&name.path)?;
        let (from, to) = (floor(file)?, floor(&target).unwrap_or(0));
        (to < from).then(|| format!("points up, to src/{target}"))
    })
}

/// Foreign names in files that may not use them, and passed on by those that may.
fn misplaced(sources: &Sources) -> Vec<String> {
    misplaced_by(&PLACES, sources)
}

fn misplaced_by(places: &[(&str, &[&str])], sources: &Sources) -> Vec<String> {
    complaints(sources, |file, name| {
        let path = name.path.join("::");
        let places = places.iter().filter(|(start, _)| is_in(&path, start));
        let mut wrong = places.filter(|(_, places)| !places.iter().any(|at| file.starts_with(at)));
        if let Some((_, places)) = wrong.next() {
            return Some(format!("belongs in src/{}", places.join(", src/")));
        }
        let is_foreign = name.path[0] != "crate" && dependencies().contains(&name.path[0]);
        (is_foreign && name.use_ == Use::Export)
            .then(|| "is passed on under another name".to_owned())
    })
}

/// What the rules name and may not.
fn impure(sources: &Sources) -> Vec<String> {
    complaints(sources, |file, name| {
        let path = name.path.join("::");
        // What begins with a capital was imported or is the file's own; lints are no names.
        let is_local = |first: &str| {
            let plain = [
                "char", "i64", "str", "u8", "u16", "u32", "u64", "u128", "usize",
            ];
            first.starts_with(char::is_uppercase) || plain.contains(&first) || first == "clippy"
        };
        let is_pure = PURE.iter().any(|start| is_in(&path, start)) || is_local(&name.path[0]);
        let is_rule = room(file) == Some("protocol");
        (is_rule && !is_pure).then(|| "is not for the rules, which are pure".to_owned())
    })
}

/// What would let names go unseen. The hidden room on top shows what others have.
fn dodges(sources: &Sources) -> Vec<String> {
    let files = sources
        .0
        .iter()
        .filter(|(file, _)| room(file) != Some("internals"));
    let told = files.flat_map(|(file, source)| {
        let told = |(line, what): &(usize, String)| format!("src/{file}:{line}: {what}");
        source.dodges.iter().map(told).collect::<Vec<_>>()
    });
    told.collect()
}

/// The imports that are part of a circle between files.
fn circles(sources: &Sources) -> Vec<String> {
    let mut arrows: BTreeMap<&str, BTreeMap<String, usize>> = BTreeMap::new();
    for (file, Source { names, .. }) in &sources.0 {
        let arrows = arrows.entry(file).or_default();
        for name in names {
            if let Some(target) = sources.target(&name.path).filter(|target| target != file) {
                arrows.entry(target).or_insert(name.line);
            }
        }
    }
    let leads_to = |from: &str, to: &str| {
        let (mut seen, mut ahead) = (BTreeSet::new(), vec![from]);
        while let Some(file) = ahead.pop() {
            if seen.insert(file) {
                ahead.extend(arrows[file].keys().map(String::as_str));
            }
        }
        seen.contains(to)
    };
    let mut found = Vec::new();
    for (file, targets) in &arrows {
        for (target, line) in targets {
            if leads_to(target, file) {
                found.push(format!("src/{file}:{line}: imports src/{target}"));
            }
        }
    }
    found
}

fn assert_none(found: &[String]) {
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
}

#[test]
fn every_folder_is_a_room_of_the_page_and_every_room_a_folder() {
    let sources = sources();
    let folders: BTreeSet<_> = sources.0.keys().filter_map(|file| room(file)).collect();
    let rooms = rooms();
    assert_eq!(folders, rooms.iter().map(String::as_str).collect());
}

#[test]
fn every_file_is_in_a_room_but_the_one_that_declares_them() {
    let sources = sources();
    let outside: Vec<_> = sources
        .0
        .keys()
        .filter(|file| room(file).is_none())
        .collect();
    assert_eq!(outside, ["lib.rs"]);
}

#[test]
fn the_command_has_the_rooms_of_the_page() {
    let sources = sources_of_the_command();
    let folders: BTreeSet<_> = sources.0.keys().filter_map(|file| room(file)).collect();
    let rooms = rooms_of_the_command();
    assert_eq!(folders, rooms.iter().map(String::as_str).collect());
}

#[test]
fn imports_of_the_command_point_down_and_go_in_no_circle() {
    let sources = sources_of_the_command();
    assert_none(&upward(&sources, &rooms_of_the_command()));
    assert_none(&circles(&sources));
}

#[test]
fn what_the_command_has_from_others_is_named_where_it_belongs() {
    let sources = sources_of_the_command();
    assert_none(&misplaced_by(&PLACES_OF_THE_COMMAND, &sources));
    assert_none(&dodges(&sources));
}

#[test]
fn every_dependency_has_a_place() {
    let places = PLACES.iter().chain(&PLACES_OF_THE_COMMAND);
    let has_place = |name: &String| places.clone().any(|(start, _)| start == name);
    let without: Vec<_> = dependencies()
        .into_iter()
        .filter(|name| !has_place(name))
        .collect();
    assert_none(&without);
}

#[test]
fn imports_point_down() {
    assert_none(&upward(&sources(), &rooms()));
}

#[test]
fn imports_go_in_no_circle() {
    assert_none(&circles(&sources()));
}

#[test]
fn what_is_foreign_is_named_where_it_belongs() {
    assert_none(&misplaced(&sources()));
}

#[test]
fn the_rules_name_nothing_but_themselves_and_what_is_pure() {
    assert_none(&impure(&sources()));
}

#[test]
fn nothing_is_named_in_a_way_that_this_test_does_not_see() {
    assert_none(&dodges(&sources()));
}

mod finds {
    use super::*;

    fn of(files: &[(&str, &str)]) -> Sources {
        let owned = |(file, text): &(&str, &str)| (file.to_string(), text.to_string());
        Sources::of(files.iter().map(owned).collect())
    }

    fn rooms() -> Vec<String> {
        ["api", "store", "protocol"].map(str::to_owned).to_vec()
    }

    /// What points up in a file of the middle room.
    fn upward_from_store(text: &str) -> Vec<String> {
        let files = [
            ("lib.rs", "mod api;"),
            ("api/mod.rs", ""),
            ("api/lock.rs", ""),
            ("store/mod.rs", text),
        ];
        upward(&of(&files), &rooms())
    }

    #[test]
    fn an_import_that_points_up_by_its_line() {
        let found =
            upward_from_store("\nuse std::fmt;\nuse crate::{api::lock::{self, Lock as L}};");
        assert_eq!(
            found,
            [
                "src/store/mod.rs:3: crate::api::lock points up, to src/api/lock.rs",
                "src/store/mod.rs:3: crate::api::lock::Lock points up, to src/api/lock.rs"
            ]
        );
    }

    #[test]
    fn an_import_that_points_up_however_it_is_written() {
        for text in [
            "use super::api::lock::Lock;",
            "use self::super::api::lock::Lock;",
            "use crate::r#api::lock::Lock;",
            "use crate::api::lock; fn f() { lock::take() }",
            "fn f() { select! { x = g() => crate::api::lock::take() } }",
            "struct S(pub (crate::api::lock::Lock, u8));",
            "mod inner { use crate::api::lock::Lock; }",
            "macro_rules! m { () => { $crate::api::lock::take() } }",
        ] {
            assert!(!upward_from_store(text).is_empty(), "{text}");
        }
    }

    #[test]
    fn what_is_imported_through_a_re_export() {
        let sources = of(&[
            ("api/mod.rs", "mod lock; pub use lock::Lock;"),
            ("api/lock.rs", ""),
            ("store/mod.rs", "use crate::api::Lock;"),
        ]);
        let found = upward(&sources, &rooms());
        assert_eq!(
            found,
            ["src/store/mod.rs:1: crate::api::Lock points up, to src/api/lock.rs"]
        );
    }

    #[test]
    fn a_circle_but_no_file_that_only_leads_to_one() {
        let sources = of(&[
            ("api/mod.rs", "pub mod a; pub mod b; pub mod c;"),
            ("api/a.rs", "use super::b::B;"),
            ("api/b.rs", "use crate::api; fn f() { api::c::g() }"),
            ("api/c.rs", "\n\nuse crate::api::b;"),
        ]);
        assert_eq!(
            circles(&sources),
            [
                "src/api/b.rs:1: imports src/api/c.rs",
                "src/api/c.rs:3: imports src/api/b.rs"
            ]
        );
    }

    #[test]
    fn foreign_names_that_belong_elsewhere() {
        for text in [
            "use hyper::Body;",
            "use ::hyper::Body;",
            "fn f() { ::hyper::f() }",
            "use {std::fmt, hyper as h};",
            "use tokio::{runtime::Handle, time};",
            "use tokio as t; fn f() { t::runtime::f() }",
            "use crate::store::s3::Config;",
        ] {
            assert!(
                !misplaced(&of(&[("engine/lock.rs", text)])).is_empty(),
                "{text}"
            );
        }
        assert_none(&misplaced(&of(&[(
            "store/s3/reply.rs",
            "use hyper::Body;",
        )])));
    }

    #[test]
    fn foreign_names_that_are_passed_on() {
        let sources = of(&[("store/s3/mod.rs", "pub(crate) use hyper::Body;")]);
        let found = misplaced(&sources);
        assert_eq!(
            found,
            ["src/store/s3/mod.rs:1: hyper::Body is passed on under another name"]
        );
    }

    #[test]
    fn what_is_not_pure() {
        for text in [
            "use std::io;",
            "use rand::Rng;",
            "use xml::Reader;",
            "use crate::store::put;",
            "fn f() { crate::store::put() }",
            "fn f() { std::env::var(x) }",
        ] {
            assert!(
                !impure(&of(&[("protocol/cas.rs", text)])).is_empty(),
                "{text}"
            );
        }
        let text = "use std::time::Duration; fn f() { Duration::from_secs(u64::MAX) }";
        assert_none(&impure(&of(&[("protocol/cas.rs", text)])));
    }

    #[test]
    fn ways_around_this_test() {
        for text in [
            "use crate as k;",
            "use crate::*;",
            "use crate::api::{*};",
            "use hyper::*;",
            "use tokio as t;",
            "extern crate hyper as h;",
            "#[path = \"../x.rs\"] mod x;",
            "include!(\"x.in\");",
            "include_str!(\"x.rs\");",
            "include!(\"../examples/x.rs\");",
        ] {
            assert!(
                !dodges(&of(&[("engine/lock.rs", text)])).is_empty(),
                "{text}"
            );
        }
    }

    #[test]
    fn nothing_in_a_page_that_shows_an_example() {
        let text = "#[doc = include_str!(\"../examples/x.rs\")] pub mod x {}";
        assert_none(&dodges(&of(&[("lib.rs", text)])));
    }

    #[test]
    fn nothing_in_what_is_compiled_for_tests_alone_or_in_comments() {
        let tests =
            "//! crate::api\n#[cfg(test)] mod tests; #[cfg(test)] mod more { use crate::api::A; }";
        let sources = of(&[
            ("api/mod.rs", ""),
            ("store/mod.rs", tests),
            ("store/tests.rs", "use crate::api::A;"),
        ]);
        assert_none(&upward(&sources, &rooms()));
    }
}
