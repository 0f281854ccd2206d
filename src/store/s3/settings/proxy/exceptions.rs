//! `NO_PROXY`: the hosts that are connected to directly, although a proxy is set.

use std::net::{IpAddr, SocketAddr};

use crate::protocol::quote::shown;

/// The entries of a list.
#[derive(Debug, Default)]
pub(super) struct Exceptions {
    entries: Vec<Entry>,
    /// The first that cannot be read, as errors show it.
    unreadable: Option<String>,
}

#[derive(Debug, PartialEq, Eq)]
enum Entry {
    Everything,
    /// A host and all within its domain. In lower case, without a dot at either end.
    Domain(String, Port),
    /// The addresses whose first bits are those of this one.
    Network(IpAddr, u32, Port),
}

/// The port that an entry is about. All ports if none.
type Port = Option<u16>;

impl Exceptions {
    /// Reads a list. Commas or spaces separate its entries. An entry that cannot be read excepts
    /// nothing: other programs read the same variable, and may know more forms.
    pub(super) fn read(list: &str) -> Exceptions {
        let entries = list.split(|c: char| c == ',' || c.is_whitespace());
        let mut exceptions = Exceptions::default();
        for text in entries.filter(|text| !text.is_empty()) {
            match Entry::read(text) {
                Some(entry) => exceptions.entries.push(entry),
                None if exceptions.unreadable.is_none() => {
                    exceptions.unreadable = Some(without_user(text));
                }
                None => {}
            }
        }
        exceptions
    }

    /// The first entry that cannot be read. An error of a proxy names it: the entry may have been meant to
    /// except the host.
    pub(super) fn unreadable(&self) -> Option<&str> {
        self.unreadable.as_deref()
    }

    /// Whether no host at all goes through a proxy.
    pub(super) fn are_everything(&self) -> bool {
        self.entries.contains(&Entry::Everything)
    }

    /// Whether a host of a URL and its port are among them. A name is not resolved: an address in the
    /// list is about URLs that have the address.
    pub(super) fn contain(&self, host: &str, port: u16) -> bool {
        let host = plain(host);
        let address = address(&host);
        self.entries.iter().any(|entry| match entry {
            Entry::Everything => true,
            Entry::Domain(domain, of) => {
                address.is_none() && fits(*of, port) && is_within(&host, domain)
            }
            Entry::Network(network, bits, of) => {
                fits(*of, port) && address.is_some_and(|a| shares(a, *network, *bits))
            }
        })
    }
}

impl Entry {
    fn read(text: &str) -> Option<Entry> {
        if text == "*" {
            return Some(Entry::Everything);
        }
        if let Some((network, bits)) = text.split_once('/') {
            let network = address(&plain(network))?;
            let bits = bits.parse().ok().filter(|bits| *bits <= width(network))?;
            return Some(Entry::Network(network, bits, None));
        }
        if let Ok(address) = text.parse::<SocketAddr>() {
            return Some(Entry::of_address(address.ip(), Some(address.port())));
        }
        if let Some(address) = address(&plain(text)) {
            return Some(Entry::of_address(address, None));
        }
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) => (host, Some(port.parse().ok()?)),
            None => (text, None),
        };
        let host = plain(host.strip_prefix('*').unwrap_or(host));
        let host = host.trim_start_matches('.');
        let is_name = !host.is_empty() && host.chars().all(is_in_names);
        is_name.then(|| Entry::Domain(host.to_owned(), port))
    }

    fn of_address(address: IpAddr, port: Port) -> Entry {
        let address = address.to_canonical();
        Entry::Network(address, width(address), port)
    }
}

/// Whether a host of a URL can have this character. Names in other scripts are in Punycode there.
fn is_in_names(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_')
}

/// An entry as it may be shown: whoever wrote a URL may have put a password into it.
fn without_user(text: &str) -> String {
    shown(text.rsplit('@').next().unwrap_or_default())
}

/// A host as it is compared: in lower case, without brackets and without the dot of the root.
fn plain(host: &str) -> String {
    let bare = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
    let host = bare.unwrap_or(host);
    host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase()
}

fn address(host: &str) -> Option<IpAddr> {
    Some(host.parse::<IpAddr>().ok()?.to_canonical())
}

fn fits(of: Port, port: u16) -> bool {
    of.is_none_or(|of| of == port)
}

fn is_within(host: &str, domain: &str) -> bool {
    let before = host.strip_suffix(domain);
    before.is_some_and(|before| before.is_empty() || before.ends_with('.'))
}

fn width(address: IpAddr) -> u32 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

/// Whether two addresses have the same first bits.
fn shares(one: IpAddr, other: IpAddr, bits: u32) -> bool {
    let rest = width(other) - bits;
    // A shift by the whole width leaves nothing to compare.
    match (one, other) {
        (IpAddr::V4(a), IpAddr::V4(b)) => {
            let differing = a.to_bits() ^ b.to_bits();
            differing.checked_shr(rest).unwrap_or(0) == 0
        }
        (IpAddr::V6(a), IpAddr::V6(b)) => {
            let differing = a.to_bits() ^ b.to_bits();
            differing.checked_shr(rest).unwrap_or(0) == 0
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether a list excepts each of these hosts and ports.
    fn check(list: &str, expected: bool, targets: &[&str]) {
        let exceptions = Exceptions::read(list);
        for target in targets {
            let (host, port) = target.rsplit_once(':').unwrap();
            let contains = exceptions.contain(host, port.parse().unwrap());
            assert_eq!(contains, expected, "{target} in {list:?}");
        }
    }

    #[test]
    fn a_name_excepts_the_host_and_its_domain_with_and_without_a_leading_dot() {
        for list in [
            "example.com",
            ".example.com",
            "*.example.com",
            "EXAMPLE.com.",
        ] {
            let within = ["example.com:443", "a.b.example.com:80", "A.EXAMPLE.COM.:1"];
            check(list, true, &within);
            let outside = ["notexample.com:443", "example.com.evil:443", "com:443"];
            check(list, false, &outside);
        }
    }

    #[test]
    fn a_port_limits_an_entry() {
        check("example.com:8080", true, &["a.example.com:8080"]);
        check("example.com:8080", false, &["a.example.com:443"]);
        check("10.0.0.1:80,[::1]:80", true, &["10.0.0.1:80", "[::1]:80"]);
        check("10.0.0.1:80,[::1]:80", false, &["10.0.0.1:81", "[::1]:81"]);
    }

    #[test]
    fn an_address_excepts_itself_however_it_is_written() {
        check("10.0.0.1", true, &["10.0.0.1:443"]);
        check("10.0.0.1", false, &["10.0.0.10:443", "110.0.0.1:443"]);
        for list in ["::1", "[::1]", "0:0:0:0:0:0:0:1"] {
            check(list, true, &["[::1]:443", "[0:0::1]:443"]);
            check(list, false, &["[::2]:443"]);
        }
        check("10.0.0.1", true, &["[::ffff:10.0.0.1]:443"]);
    }

    #[test]
    fn a_network_excepts_its_addresses() {
        check("10.1.0.0/16", true, &["10.1.2.3:443", "10.1.255.255:1"]);
        check("10.1.0.0/16", false, &["10.2.0.0:443", "host:443"]);
        check("10.1.2.3/16", true, &["10.1.9.9:443"]);
        check("10.1.2.3/32", true, &["10.1.2.3:443"]);
        check("10.1.2.3/32", false, &["10.1.2.2:443"]);
        check("0.0.0.0/0", true, &["8.8.8.8:443"]);
        check("0.0.0.0/0", false, &["[::1]:443"]);
        for list in ["fd00::/8", "[fd00::]/8"] {
            check(list, true, &["[fd12::1]:443"]);
            check(list, false, &["[fe80::1]:443"]);
        }
        check("::/0", true, &["[fe80::1]:443"]);
    }

    #[test]
    fn commas_and_spaces_separate_entries() {
        let list = " a.example,b.example , ,\tc.example d.example";
        let within = ["a.example:1", "b.example:1", "c.example:1", "d.example:1"];
        check(list, true, &within);
    }

    #[test]
    fn a_star_excepts_everything_and_only_alone() {
        check("a, *", true, &["example.com:443", "[::1]:80"]);
        assert!(Exceptions::read("a, *").are_everything());
        check("exam*", false, &["example.com:443"]);
    }

    #[test]
    fn what_cannot_be_read_excepts_nothing() {
        for list in [
            "",
            ",",
            ".",
            "*.",
            "10.0.0.0/33",
            "10.0.0.0/x",
            "::/129",
            "a/8",
            "a:b",
            ":80",
            "[::1",
        ] {
            check(list, false, &["10.0.0.1:80", "[::1]:80", "a:80", "a.b:443"]);
        }
    }

    #[test]
    fn the_first_entry_that_cannot_be_read_is_known() {
        for (list, entry) in [
            ("", None),
            (" , example.com,*.a_b.example:80,10.0.0.0/8", None),
            ("127.0.0.1,127.0.0.0/99,a;b", Some("127.0.0.0/99")),
            ("http://host", Some("http://host")),
            ("http://me:hunter2@host", Some("host")),
            ("a;b", Some("a;b")),
            ("exam*", Some("exam*")),
            ("host:port", Some("host:port")),
            ("[::1", Some("[::1")),
            ("<local>", Some("<local>")),
        ] {
            assert_eq!(Exceptions::read(list).unreadable(), entry, "{list:?}");
        }
    }

    #[test]
    fn a_name_is_no_suffix_of_an_address() {
        check("1", false, &["10.0.0.1:443"]);
    }
}
