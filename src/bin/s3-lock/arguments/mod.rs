//! What the command line says: the commands, their options, and the texts of `--help`.

mod checked;
mod connection;
mod doctor;
mod examples;
mod hold;
mod lock;
mod one_line;
mod remedies;
mod run;
mod top;
mod values;
mod wording;

pub use connection::Connection;
pub use doctor::DoctorArguments;
pub use hold::HoldArguments;
pub use lock::{
    AcquireArguments, BreakArguments, ListArguments, ReleaseArguments, StatusArguments,
};
pub use one_line::{NotRead, read};
pub use run::RunArguments;
pub use top::{Arguments, Command, command_line};
pub use values::LockUrl;
pub use wording::as_options;
