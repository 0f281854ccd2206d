//! What the command line asks for.

use std::env;

/// The arguments of a bench that runs scenarios by name.
#[derive(Clone, Debug, Default)]
pub struct Arguments {
    /// The scenarios asked for; none for all of them.
    names: Vec<String>,
    /// Each scenario is to run for a moment only, to see that it works.
    pub is_test: bool,
    /// Locks are to be without the queue.
    pub without_queue: bool,
}

impl Arguments {
    /// Reads the command line, of which Cargo writes a part.
    pub fn read() -> Arguments {
        let mut arguments = Arguments::default();
        for argument in env::args().skip(1) {
            match argument.as_str() {
                // Cargo's own: `cargo bench` says so to every bench.
                "--bench" => {}
                "--test" => arguments.is_test = true,
                "--without-queue" => arguments.without_queue = true,
                _ => arguments.names.push(argument),
            }
        }
        // `cargo test --bench` runs a bench without either word.
        arguments.is_test |= !env::args().any(|argument| argument == "--bench");
        arguments
    }

    /// Whether this scenario is to run.
    pub fn asks_for(&self, name: &str) -> bool {
        self.names.is_empty() || self.names.iter().any(|asked| asked == name)
    }

    /// The names asked for that none of these is.
    pub fn unknown(&self, names: &[&str]) -> Vec<String> {
        let is_unknown = |asked: &&String| !names.contains(&asked.as_str());
        self.names.iter().filter(is_unknown).cloned().collect()
    }
}
