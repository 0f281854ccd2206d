//! Which texts can be the name of a region.

/// Whether this can be the name of a region. It becomes part of the name of a host that gets signed
/// requests.
pub(crate) fn is_region(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    (1..=32).contains(&name.len()) && name.chars().all(plain)
}
