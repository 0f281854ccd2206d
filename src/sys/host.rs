//! What this machine is called, for the record, and its processes.

use std::process;

use crate::types::names::MAX_OWNER;

/// The longest host name that is recorded, in characters; the operating systems stop at 64 or 255.
const MAX_HOST: usize = 255;

/// An owner name for this run of this program: the machine's host name and the process id, such as
/// `web-3/4242`.
///
/// For every program that needs no name of its own: whoever finds the lock held sees where its holder
/// runs. Of those that run at one time no two have the same name where each machine and container has
/// a host name of its own. (Containers that share their machine's name, as with the host's network,
/// count processes from 1 each.) A machine that has no name is called `unnamed`.
///
/// **It is made for one run, so it is not for
/// [`reclaim_same_owner`](crate::S3LockBuilder::reclaim_same_owner)**, which needs a name that is the
/// same after a restart and nobody else's: under this one mostly nothing is reclaimed. In a container
/// that is restarted in place, the next run may have the same name again (the host's, and process id
/// 1), and whoever releases by owner name there may release a later run's lock.
///
/// A forked child has a name of its own: ask for it in the child, since a text that the parent made
/// names the parent. Sends nothing and does not block. Whatever the host is called, it is a name that
/// a lock takes: at most 512 bytes, without control characters.
///
/// # Examples
///
/// ```
/// use s3_lock::{Client, S3Lock, default_owner};
///
/// let lock = S3Lock::builder("my-bucket", "nightly").client(Client::in_memory()).build()?;
/// let guard = lock.acquire(default_owner())?;
/// assert!(guard.owner().ends_with(&format!("/{}", std::process::id())));
/// # Ok::<(), s3_lock::LockError>(())
/// ```
pub fn default_owner() -> String {
    owner_of(&host_name(), process::id())
}

/// This machine's host name, or an empty text where it has none.
pub(crate) fn host_name() -> String {
    plain(&system_name())
}

fn plain(name: &str) -> String {
    let plain = name.chars().filter(|c| !c.is_control());
    plain.take(MAX_HOST).collect()
}

fn owner_of(host: &str, process: u32) -> String {
    let process = format!("/{process}");
    let mut room = (MAX_OWNER - process.len()).min(host.len());
    while !host.is_char_boundary(room) {
        room -= 1;
    }
    match &host[..room] {
        "" => format!("unnamed{process}"),
        host => format!("{host}{process}"),
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::names::check_owner;

    #[test]
    fn default_owner_is_the_host_and_the_process() {
        assert_eq!(owner_of("web-3", 4242), "web-3/4242");
        let owner = default_owner();
        assert!(owner.ends_with(&format!("/{}", process::id())), "{owner}");
    }

    #[test]
    fn default_owner_names_a_machine_without_a_name() {
        assert_eq!(owner_of("", 1), "unnamed/1");
    }

    #[test]
    fn default_owner_is_an_owner_name_whatever_the_host_is_called() {
        let long = "🔒".repeat(300);
        for host in [
            "",
            "web-3",
            "a\nb\u{7f}\u{9f}",
            "\0\0",
            "é",
            &long,
            &long[4..],
        ] {
            let owner = owner_of(&plain(host), u32::MAX);
            check_owner(&owner).unwrap();
            assert!(owner.ends_with("/4294967295"), "{owner}");
        }
        let owner = owner_of(&plain(&"x".repeat(600)), 7);
        assert_eq!(owner, format!("{}/7", "x".repeat(255)));
    }
}
