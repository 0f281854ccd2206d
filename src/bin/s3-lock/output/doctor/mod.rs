//! What `doctor` has found: the report as JSON (`report.rs`, of `finding.rs`), and as lines for people (`lines.rs`, printed
//! by `checklist.rs`).

mod checklist;
mod finding;
mod lines;
mod report;

use std::io;

use crate::output::{json, stdout};

pub use finding::{Finding, Status};
pub use report::{
    ClockOffset, ConditionalWrites, CostTable, Costs, Credentials, Percentiles, Permit, Race,
    Report, RoundTrips, Set, Settings,
};

/// Prints a report for people.
pub fn print(report: &Report) -> io::Result<()> {
    checklist::print(&lines::lines(report))
}

/// Prints a report for programs.
pub fn print_json(report: &Report) -> io::Result<()> {
    stdout::print(&json::line(report))
}
