//! Processes that are measured as a whole, or measure themselves.

use std::fs;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::common::{Figures, Site, command, quantile};
use crate::part::{FIGURE, Part};
#[cfg(unix)]
use crate::support::{Authority, Terms, Tls};

/// How often a process is started whose start is measured.
const STARTS: usize = 11;

/// Runs a child to its end, and returns the figures that it told.
pub fn told(command: &mut Command) -> Vec<(String, f64)> {
    let output = command.stderr(Stdio::inherit()).output();
    let output = output.expect("this binary runs");
    assert!(output.status.success(), "a child failed: {}", output.status);
    let text = String::from_utf8(output.stdout).expect("its output is text");
    let figures = text.lines().filter_map(|line| {
        let (name, value) = line.strip_prefix(FIGURE)?.split_once(' ')?;
        Some((name.to_owned(), value.parse().ok()?))
    });
    figures.collect()
}

fn figures(site: &Site) -> Figures {
    Figures {
        has_queue: true,
        store: site.name(),
        ..Figures::default()
    }
}

/// Memory and time with few and with many locks.
pub fn locks(is_test: bool) -> Figures {
    let site = Site::own();
    let mut figures = figures(&site);
    let counts = if is_test {
        vec![1, 3]
    } else {
        vec![1, 100, 10_000]
    };
    for count in counts {
        for (held, how) in [(false, "used"), (true, "held")] {
            // A server of its own each time, so that every lock is new.
            let site = Site::own();
            let part = Part::Locks { count, held };
            for (name, value) in told(&mut command(&site.address, &part)) {
                let name = format!("{count:05}_locks_{how}_{name}");
                figures.more.insert(name, value);
            }
        }
    }
    let note = "bytes are for each lock: of the handle alone; in use with what its client knows, and the guard of one that is \
                held; left when handles and guards are gone and the client is not";
    figures.notes.push(note.to_owned());
    figures
}

/// How soon a process that starts has a lock.
pub fn first_call(is_test: bool) -> Figures {
    let site = Site::own();
    let mut figures = figures(&site);
    for latency in [0, 25] {
        site.set_latency(Duration::from_millis(latency));
        let starts = if is_test { 1 } else { STARTS };
        let mut all: Vec<Vec<f64>> = Vec::new();
        let mut names = Vec::new();
        for start in 0..starts {
            let lock = format!("first-{latency}-{start}");
            let told = told(&mut command(&site.address, &Part::FirstCall { lock }));
            names = told.iter().map(|(name, _)| name.clone()).collect();
            all.push(told.into_iter().map(|(_, value)| value).collect());
        }
        for (place, name) in names.iter().enumerate() {
            let mut values: Vec<f64> = all.iter().map(|values| values[place]).collect();
            values.sort_by(f64::total_cmp);
            let name = format!("at_{latency:02}ms_{name}");
            figures.more.insert(name, quantile(&values, 0.5));
        }
    }
    let note = "from the start of main; a new lock: GET and PUT, over a new connection";
    figures.notes.push(note.to_owned());
    figures
}

/// What a process takes that does nothing but hold a lock.
pub fn holder() -> Figures {
    let site = Site::own();
    let mut figures = figures(&site);
    for (keep_alive, how) in [(false, "holds"), (true, "keeps_alive")] {
        let part = Part::Holder { keep_alive };
        for (name, value) in told(&mut command(&site.address, &part)) {
            figures.more.insert(format!("{how}_{name}"), value);
        }
    }
    #[cfg(unix)]
    holder_over_https(&mut figures);
    figures
}

/// The same over HTTPS: with the certificates that the system trusts, and with as many in a bundle.
#[cfg(unix)]
fn holder_over_https(figures: &mut Figures) {
    let authority = Authority::new();
    let own = fs::read(authority.certificate()).expect("it was made");
    let systems = fs::read("/etc/ssl/certs/ca-certificates.crt").unwrap_or_default();
    let bundle = authority.file("bundle", [systems, own].concat());
    let here = authority.issue("IP:127.0.0.1");
    for (variable, path, how) in [
        ("SSL_CERT_FILE", &bundle, "with_system"),
        ("AWS_CA_BUNDLE", &bundle, "with_bundle"),
        (
            "AWS_CA_BUNDLE",
            &authority.certificate(),
            "with_bundle_of_one",
        ),
    ] {
        let mut site = Site::own();
        let server = site.server().expect("it is this process's own");
        let tls = Tls::with(server, &here, &Terms::default());
        site.address.endpoint = tls.endpoint();
        let part = Part::Holder { keep_alive: false };
        let mut command = command(&site.address, &part);
        command.env_remove("AWS_CA_BUNDLE").env(variable, path);
        for (name, value) in told(&mut command) {
            figures.more.insert(format!("https_{how}_{name}"), value);
        }
    }
}
