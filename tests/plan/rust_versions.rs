//! Holds the versions of Rust that the README and `Cargo.toml` name to what the dependencies declare.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::process::Command;

use serde::Deserialize;

/// As in `1.85`: major and minor.
type Version = (u32, u32);

/// What `cargo metadata` tells.
#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    resolve: Resolve,
}

#[derive(Deserialize)]
struct Package {
    id: String,
    name: String,
    version: String,
    rust_version: Option<String>,
}

#[derive(Deserialize)]
struct Resolve {
    root: String,
    nodes: Vec<Node>,
}

#[derive(Deserialize)]
struct Node {
    id: String,
    deps: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    pkg: String,
    dep_kinds: Vec<Kind>,
}

#[derive(Deserialize)]
struct Kind {
    kind: Option<String>,
}

/// Which dependencies of this package count.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reach {
    /// What its users compile.
    Users,
    /// What its tests and examples need as well.
    Tests,
}

impl fmt::Display for Package {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.name, self.version)
    }
}

impl Metadata {
    /// With every feature, on every platform.
    fn read() -> Metadata {
        let mut command = Command::new(env!("CARGO"));
        command.args(["metadata", "--locked", "--all-features"]);
        command.args(["--format-version", "1"]);
        let output = command.current_dir(env!("CARGO_MANIFEST_DIR")).output();
        let output = output.expect("cargo can be run");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
        serde_json::from_slice(&output.stdout).expect("cargo's format is as it was")
    }

    /// The dependencies of this package and theirs, without itself.
    fn tree(&self, reach: Reach) -> Vec<&Package> {
        let nodes: BTreeMap<_, _> = self.resolve.nodes.iter().map(|n| (&n.id, n)).collect();
        let (mut seen, mut ahead) = (BTreeSet::new(), vec![&self.resolve.root]);
        while let Some(id) = ahead.pop() {
            if seen.insert(id) {
                let is_root = *id == self.resolve.root;
                let counts = |dependency: &&Dependency| {
                    let for_tests = |kind: &Kind| kind.kind.as_deref() == Some("dev");
                    (is_root && reach == Reach::Tests)
                        || !dependency.dep_kinds.iter().all(for_tests)
                };
                ahead.extend(nodes[id].deps.iter().filter(counts).map(|dep| &dep.pkg));
            }
        }
        seen.remove(&self.resolve.root);
        let packages = self.packages.iter();
        packages
            .filter(|package| seen.contains(&package.id))
            .collect()
    }
}

fn version(text: &str) -> Version {
    let mut numbers = text
        .split('.')
        .map(|number| number.parse().expect("a number"));
    let mut next = || numbers.next().unwrap_or(0);
    (next(), next())
}

/// The newest version that one of them asks for, and who does.
fn newest(packages: &[&Package]) -> (Version, BTreeSet<String>) {
    let mut by_version: BTreeMap<Version, BTreeSet<String>> = BTreeMap::new();
    for package in packages {
        if let Some(needed) = &package.rust_version {
            let who = by_version.entry(version(needed)).or_default();
            who.insert(package.to_string());
        }
    }
    by_version.pop_last().expect("some declare one")
}

/// Prints what was looked at: those that declare nothing can be judged by a build alone.
fn report(what: &str, packages: &[&Package]) {
    let ((major, minor), who) = newest(packages);
    let count = packages.len();
    println!("{what}: {count} packages, Rust {major}.{minor} for {who:?}");
    let is_silent = |package: &&&Package| package.rust_version.is_none();
    let silent: BTreeSet<_> = packages
        .iter()
        .filter(is_silent)
        .map(|p| p.to_string())
        .collect();
    println!("{} of them declare none: {silent:?}", silent.len());
}

fn declared() -> Version {
    version(env!("CARGO_PKG_RUST_VERSION"))
}

fn assert_in_readme((major, minor): Version) {
    let text = format!("Rust {major}.{minor} ");
    let readme = include_str!("../../README.md");
    assert!(readme.contains(&text), "README.md does not name {text}");
}

#[test]
fn readme_names_the_version_of_rust_that_is_declared() {
    assert_in_readme(declared());
}

/// So a dependency that is moved forward takes no user's compiler away.
#[test]
#[ignore = "needs the packages of every platform, which `cargo fetch` gets"]
fn no_dependency_of_users_declares_a_newer_rust_than_this_crate() {
    let metadata = Metadata::read();
    let packages = metadata.tree(Reach::Users);
    report("library and command", &packages);
    let (needed, who) = newest(&packages);
    assert!(needed <= declared(), "{who:?} need {needed:?}");
}

#[test]
#[ignore = "needs the packages of every platform, which `cargo fetch` gets"]
fn readme_names_the_version_of_rust_that_tests_and_examples_need() {
    let metadata = Metadata::read();
    let packages = metadata.tree(Reach::Tests);
    report("tests and examples", &packages);
    assert_in_readme(newest(&packages).0);
}

#[test]
fn what_a_dependency_needs_for_its_own_tests_counts_for_nobody() {
    let package = |name: &str, rust: &str| {
        format!(r#"{{"id":"{name}","name":"{name}","version":"1.0.0","rust_version":"{rust}"}}"#)
    };
    let node = |name: &str, needs: &[(&str, &str)]| {
        let need = |(name, kind): &(&str, &str)| {
            format!(r#"{{"pkg":"{name}","dep_kinds":[{{"kind":{kind}}}]}}"#)
        };
        let needs: Vec<_> = needs.iter().map(need).collect();
        format!(r#"{{"id":"{name}","deps":[{}]}}"#, needs.join(","))
    };
    let versions = [
        ("own", "1.85"),
        ("a", "1.70.0"),
        ("b", "1.80"),
        ("c", "1.99"),
        ("d", "1.9"),
    ];
    let packages: Vec<_> = versions.map(|(name, rust)| package(name, rust)).into();
    let nodes = [
        node("own", &[("a", "null"), ("b", r#""dev""#)]),
        node("a", &[("c", r#""dev""#), ("d", r#""build""#)]),
        node("b", &[("c", r#""dev""#)]),
        node("c", &[]),
        node("d", &[]),
    ];
    let text = format!(
        r#"{{"packages":[{}],"resolve":{{"root":"own","nodes":[{}]}}}}"#,
        packages.join(","),
        nodes.join(",")
    );
    let metadata: Metadata = serde_json::from_str(&text).unwrap();
    let needed = |reach| newest(&metadata.tree(reach));
    assert_eq!(
        needed(Reach::Users),
        ((1, 70), ["a 1.0.0".to_owned()].into())
    );
    assert_eq!(
        needed(Reach::Tests),
        ((1, 80), ["b 1.0.0".to_owned()].into())
    );
}
