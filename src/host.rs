//! What this machine is called, for the record.

/// The longest host name that is recorded, in characters; the operating systems stop at 64 or 255.
const MAX_HOST: usize = 255;

/// This machine's host name, or an empty text where it has none.
pub(crate) fn host_name() -> String {
    let name = system_name();
    name.chars()
        .filter(|c| !c.is_control())
        .take(MAX_HOST)
        .collect()
}

#[cfg(unix)]
fn system_name() -> String {
    let system = rustix::system::uname();
    system.nodename().to_string_lossy().into_owned()
}

#[cfg(not(unix))]
fn system_name() -> String {
    std::env::var("COMPUTERNAME").unwrap_or_default()
}
