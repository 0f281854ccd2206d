//! What this machine is called.

/// The longest host name that is recorded, in characters; the operating systems stop at 64 or 255.
const MAX_HOST: usize = 255;

/// This machine's host name, or an empty text where it has none.
pub(crate) fn host_name() -> String {
    plain(&system_name())
}

/// As much of a name as a record takes.
pub(crate) fn plain(name: &str) -> String {
    let plain = name.chars().filter(|c| !c.is_control());
    plain.take(MAX_HOST).collect()
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
