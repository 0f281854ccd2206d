//! The report as lines for people.

use crate::output::doctor::checklist::{Line, Mark};
use crate::output::doctor::finding::{Finding, Status};
use crate::output::doctor::report::{Report, Set, Settings};

/// All lines, in the order in which the parts depend on each other.
pub fn lines(report: &Report) -> Vec<Line> {
    let mut lines = of_settings(&report.settings);
    lines.push(line("credentials", &report.credentials.finding));
    lines.push(line("bucket", &report.reachable));
    lines.push(line("lock", &report.lock));
    for permit in &report.permissions {
        lines.push(line(permit.action, &permit.finding));
    }
    lines.push(line(
        "conditional writes",
        &report.conditional_writes.finding,
    ));
    lines.push(line("clock", &report.clock.finding));
    lines.push(line("round trips", &report.round_trips.finding));
    lines.push(line("costs", &report.costs.finding));
    if let Some(race) = &report.race {
        lines.push(line("race", &race.finding));
    }
    lines.push(verdict(report));
    lines
}

fn of_settings(settings: &Settings) -> Vec<Line> {
    let (Some(region), Some(endpoint)) = (&settings.region, &settings.endpoint) else {
        return vec![line("settings", &settings.finding)];
    };
    let named = |Set { value, set_by }: &Set| format!("{value} ({set_by})");
    let proxy = settings.proxy.as_ref().map(named);
    let certificates = settings.certificates.clone();
    [
        ("region", named(region)),
        ("endpoint", named(endpoint)),
        ("proxy", proxy.unwrap_or_else(|| "none".to_owned())),
        (
            "certificates",
            certificates.unwrap_or_else(|| "none: no TLS".to_owned()),
        ),
    ]
    .map(|(about, found)| line(about, &Finding::ok(found)))
    .into()
}

fn verdict(report: &Report) -> Line {
    let finding = match report.locks_work {
        Some(true) => Finding::ok("locks work here"),
        Some(false) => Finding::new(Status::Fail, "locks do not work here"),
        None => {
            let what = "whether locks work here could not be found out";
            Finding::new(Status::Unknown, what)
        }
    };
    line("verdict", &finding)
}

fn line(about: &str, finding: &Finding) -> Line {
    Line {
        mark: match finding.status {
            Status::Ok => Mark::Ok,
            Status::Warn | Status::Unknown => Mark::Warn,
            Status::Fail => Mark::Fail,
            Status::NotTried => Mark::NotTried,
        },
        about: about.to_owned(),
        found: finding.found.clone(),
        remedy: finding.remedy.clone(),
    }
}
