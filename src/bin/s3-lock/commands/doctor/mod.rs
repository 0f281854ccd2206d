//! `doctor`: finds out whether locks work from here, and says what to do where they do not.
//!
//! `examination.rs` goes from step to step; `client_side.rs`, `store_check.rs`, `permits.rs`, `measure.rs` and `race.rs`
//! are the steps. What replies mean is pure: `permissions.rs`, `times.rs`, `costs.rs`, and `errors.rs` for errors. The
//! report is in `output/doctor/`.

mod client_side;
mod costs;
mod errors;
mod examination;
mod measure;
mod permissions;
mod permits;
mod race;
mod store_check;
mod times;

use std::process::ExitCode;

use s3_lock::Client;
use s3_lock::inspection::Inspector;

use crate::arguments::{Connection, DoctorArguments};
use crate::commands::client::builder;
use crate::commands::doctor::examination::{Examination, Names};
use crate::commands::doctor::race::Plan;
use crate::commands::failure::Failure;
use crate::output::doctor::{Report, Settings, print, print_json};
use crate::output::progress::Progress;

/// A race has eight writers, of which each endpoint gets one at least.
const MOST_OTHERS: usize = 7;

/// Examines, and prints what was found.
pub fn run(arguments: DoctorArguments, connection: &Connection) -> Result<ExitCode, Failure> {
    let report = match builder(connection).build() {
        Ok(client) => examined(&arguments, connection, client)?,
        Err(error) => {
            // What is wrong may be a variable: that is what a doctor is asked about. This client only has the names.
            let lock = arguments.url.builder()?.client(Client::in_memory());
            let names = Names::of(arguments.url.as_str(), &Inspector::of(&lock.build()?)?);
            names.without_settings(Settings::wrong(&error), None)
        }
    };
    if arguments.json {
        print_json(&report)?;
    } else {
        print(&report)?;
    }
    Ok(ExitCode::from(report.exit_status))
}

fn examined(
    arguments: &DoctorArguments,
    connection: &Connection,
    client: Client,
) -> Result<Report, Failure> {
    let lock = arguments.url.builder()?.client(client.clone()).build()?;
    let inspector = Inspector::of(&lock)?;
    let race = race(arguments, connection, &client, &inspector)?;
    let progress = Progress::start();
    let examination = Examination {
        lock: &lock,
        inspector,
        assumes: connection.assume_conditional_writes,
        race,
        progress: &progress,
    };
    let report = examination.report(arguments.url.as_str());
    progress.end();
    Ok(report?)
}

/// The race that was asked for.
fn race(
    arguments: &DoctorArguments,
    connection: &Connection,
    client: &Client,
    inspector: &Inspector,
) -> Result<Option<Plan>, Failure> {
    let Some(rounds) = arguments.race else {
        return Ok(None);
    };
    let own = inspector
        .way()
        .map_or_else(|_| "the store".to_owned(), |way| way.endpoint.value);
    let (mut clients, mut endpoints) = (vec![client.clone()], vec![own]);
    if arguments.also.len() > MOST_OTHERS {
        let most =
            format!("--also may be given up to {MOST_OTHERS} times: a race has eight writers");
        return Err(Failure::new(most));
    }
    for url in &arguments.also {
        clients.push(builder(connection).endpoint(url).build()?);
        endpoints.push(url.clone());
    }
    Ok(Some(Plan {
        rounds,
        clients,
        endpoints,
    }))
}
