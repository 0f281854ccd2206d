//! This machine's host name, for records and default owner names.

/// The longest host name that a record takes, in characters. Operating systems allow 64 or 255.
const MAX_HOST: usize = 255;

/// This machine's host name, or an empty string if it has none.
pub(crate) fn host_name() -> String {
    plain(&system_name())
}

/// The name without control characters, cut to the length that a record takes.
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
