//! Checks the crate's sources against `src/architecture.md`: imports point down, no files import
//! each other in a circle, and only the files named here use certain foreign crates.

#[path = "plan/sources.rs"]
mod sources;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use sources::{Name, Source, Sources};

/// What only some files may name: the start of a path, and those files.
const CONFINED: [(&str, &str); 6] = [
    ("hyper", "store/s3/"),
    ("hyper_tls", "store/s3/"),
    ("native_tls", "store/s3/"),
    ("rusoto_core", "store/s3/"),
    ("rusoto_s3", "store/s3/"),
    ("tokio::runtime", "sys/runtime.rs"),
];
/// What the rules may name besides themselves.
const PURE: [&str; 5] = ["std", "core", "serde", "serde_json", "chrono"];

fn sources() -> Sources {
    Sources::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"))
}

/// The rooms from the top down, as the table of the page lists them.
fn rooms() -> Vec<String> {
    let page = include_str!("../src/architecture.md");
    let (_, page) = page
        .split_once("# The rooms")
        .expect("the page has the rooms");
    let (table, _) = page.split_once("\n# ").expect("more follows them");
    let cells = table.lines().filter_map(|line| line.strip_prefix("| `"));
    let rooms = cells.filter_map(|rest| Some(rest.split_once("/` |")?.0.to_owned()));
    rooms.collect()
}

fn room(file: &str) -> Option<&str> {
    Some(file.split_once('/')?.0)
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

/// Names that a file may not use.
fn misplaced(sources: &Sources) -> Vec<String> {
    complaints(sources, |file, name| {
        let path = name.path.join("::");
        let begins = |start: &str| path == start || path.starts_with(&format!("{start}::"));
        let confined = CONFINED.iter().find(|(start, _)| begins(start));
        match confined {
            Some((_, place)) if !file.starts_with(place) => Some(format!("belongs in src/{place}")),
            _ if room(file) == Some("protocol") && !is_pure(&name.path) => {
                Some("is not for the rules, which are pure".to_owned())
            }
            _ => None,
        }
    })
}

/// Whether the rules may name this. A path that is neither this crate's nor a dependency's
/// begins with an imported name, and its import is checked by itself.
fn is_pure(path: &[String]) -> bool {
    match path[0].as_str() {
        "crate" => path.get(1).is_some_and(|room| room == "protocol"),
        first => PURE.contains(&first) || !dependencies().any(|name| name == first),
    }
}

fn dependencies() -> impl Iterator<Item = String> {
    let mut is_inside = false;
    let manifest = include_str!("../Cargo.toml").lines();
    manifest.filter_map(move |line| {
        if line.starts_with('[') {
            is_inside = line.ends_with("dependencies]");
        }
        let (name, _) = line.split_once(" = ").filter(|_| is_inside)?;
        Some(name.replace('-', "_"))
    })
}

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

mod finds {
    use super::*;

    fn of(files: &[(&str, &str)]) -> Sources {
        let owned = |(file, text): &(&str, &str)| (file.to_string(), text.to_string());
        Sources::of(files.iter().map(owned).collect())
    }

    fn rooms() -> Vec<String> {
        ["api", "store", "protocol"].map(str::to_owned).to_vec()
    }

    #[test]
    fn an_import_that_points_up() {
        let sources = of(&[
            ("api/mod.rs", "pub(crate) mod lock;"),
            ("api/lock.rs", "use crate::store::put;"),
            (
                "store/mod.rs",
                "\nuse std::fmt;\nuse crate::{api::lock::{self, Lock as L}};",
            ),
        ]);
        let found = upward(&sources, &rooms());
        assert_eq!(
            found,
            [
                "src/store/mod.rs:3: crate::api::lock points up, to src/api/lock.rs",
                "src/store/mod.rs:3: crate::api::lock::Lock points up, to src/api/lock.rs"
            ]
        );
    }

    #[test]
    fn a_path_without_an_import_also_within_a_macro() {
        let text = "fn f() { select! { x = g() => crate::api::lock() } }";
        let sources = of(&[("api/mod.rs", ""), ("store/mod.rs", text)]);
        let found = upward(&sources, &rooms());
        assert_eq!(
            found,
            ["src/store/mod.rs:1: crate::api::lock points up, to src/api/mod.rs"]
        );
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
            ("api/b.rs", "use crate::api::{c};"),
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
    fn names_that_belong_elsewhere() {
        let sources = of(&[
            ("api/lock.rs", "use tokio::{runtime::Handle, time};"),
            ("store/s3/reply.rs", "use hyper::Body;"),
            (
                "protocol/cas.rs",
                "use std::io; use rand::Rng; fn f() { crate::store::put() }",
            ),
        ]);
        assert_eq!(
            misplaced(&sources),
            [
                "src/api/lock.rs:1: tokio::runtime::Handle belongs in src/sys/runtime.rs",
                "src/protocol/cas.rs:1: crate::store::put is not for the rules, which are pure",
                "src/protocol/cas.rs:1: rand::Rng is not for the rules, which are pure"
            ]
        );
    }

    #[test]
    fn nothing_in_what_is_compiled_for_tests_alone_or_in_comments() {
        let sources = of(&[
            ("api/mod.rs", ""),
            (
                "store/mod.rs",
                "//! crate::api\n#[cfg(test)] mod tests; #[cfg(test)] mod more { use crate::api::A; }",
            ),
            ("store/tests.rs", "use crate::api::A;"),
        ]);
        assert_none(&upward(&sources, &rooms()));
    }
}
