//! The instructions of a warm cycle, counted by callgrind.
//!
//! Two processes run, with few cycles and with many; what they differ by is the cycles alone.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::common::{Figures, Site, command, folder};
use crate::part::Part;

const FEW: usize = 20;
const MANY: usize = 220;
/// How many functions are listed.
const LISTED: usize = 25;

type Instructions = BTreeMap<String, f64>;

/// Counts, where there is valgrind.
pub fn run(is_test: bool) -> Option<Figures> {
    let version = Command::new("valgrind").arg("--version").output();
    if !version.is_ok_and(|output| output.status.success()) {
        println!("callgrind: left out, as there is no valgrind: apt-get install valgrind");
        return None;
    }
    let (few, many) = if is_test { (1, 2) } else { (FEW, MANY) };
    let site = Site::own();
    let counted = |cycles| functions(&count(&site, cycles));
    let (before, after) = (counted(few), counted(many));
    let cycles = (many - few) as f64;
    let each = after.into_iter().map(|(name, instructions)| {
        let others = before.get(&name).copied().unwrap_or(0.0);
        (name, (instructions - others) / cycles)
    });
    let each: Instructions = each.collect();

    let mut figures = Figures {
        has_queue: true,
        store: site.name(),
        ..Figures::default()
    };
    let total = each.values().sum();
    figures
        .more
        .insert("instructions_of_a_warm_cycle".to_owned(), total);
    for (group, instructions) in groups(&each) {
        figures.more.insert(format!("in_{group}"), instructions);
    }
    let mut sorted: Vec<_> = each.into_iter().collect();
    sorted.sort_by(|one, other| other.1.total_cmp(&one.1));
    for (name, instructions) in sorted.into_iter().take(LISTED) {
        figures.notes.push(format!("{instructions:>9.0}  {name}"));
    }
    Some(figures)
}

/// Runs so many cycles under callgrind, and returns the file that it wrote.
fn count(site: &Site, cycles: usize) -> PathBuf {
    let folder = folder();
    std::fs::create_dir_all(&folder).expect("the target directory can be written to");
    let file = folder.join(format!("callgrind.{cycles}.out"));
    let plain = command(&site.address, &Part::Cycles { count: cycles });
    let mut under = Command::new("valgrind");
    under
        .args(["--tool=callgrind", "--quiet"])
        .arg(format!("--callgrind-out-file={}", file.display()))
        .arg(plain.get_program())
        .envs(
            plain
                .get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        );
    let status = under.stdout(Stdio::null()).status();
    assert!(status.expect("it was just there").success());
    file
}

/// The instructions of each function, without those that it calls.
fn functions(file: &Path) -> Instructions {
    let mut annotate = Command::new("callgrind_annotate");
    annotate.args(["--threshold=100", "--auto=no", "--show-percs=no"]);
    let output = annotate.arg(file).output();
    let output = output.expect("it comes with valgrind");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut functions = Instructions::new();
    for line in text.lines() {
        // `12,345  file:function [object]`
        let Some((count, rest)) = line.trim_start().split_once("  ") else {
            continue;
        };
        let Ok(count) = count.replace(',', "").parse::<f64>() else {
            continue;
        };
        let Some((_, name)) = rest.split_once(':') else {
            continue;
        };
        let name = name.split(" [").next().unwrap_or(name);
        *functions.entry(name.trim().to_owned()).or_default() += count;
    }
    functions
}

/// The same by crate; what is no Rust is C, most of it the C library's.
fn groups(functions: &Instructions) -> Instructions {
    let mut groups = Instructions::new();
    for (name, instructions) in functions {
        let name = name.trim_start_matches(['<', '&', '(', '*']);
        let name = name.strip_prefix("mut ").unwrap_or(name);
        let group = match name.split_once("::") {
            Some((first, _)) if first.chars().all(|c| c.is_alphanumeric() || c == '_') => first,
            _ => "c",
        };
        *groups.entry(group.to_owned()).or_default() += instructions;
    }
    // What rounds to nothing is not worth a line.
    groups.retain(|_, instructions| *instructions >= 500.0);
    groups
}
