//! What follows from the key of a stamp, which alone may be known.

/// What stands before the tenant in the key of a stamp, after the namespace if there is one.
pub(crate) const STAMP: &str = "cachestamp:";

pub(crate) const HOLD: &str = "cachehold:";
pub(crate) const WRITER: &str = "cachewriter:";

/// The stamp of the whole resource, of any stamp of it.
pub(crate) fn resource_of_stamp(stamp: &str) -> &str {
    let (prefix, rest) = around_stamp(stamp);
    let len = rest
        .splitn(3, ':')
        .take(2)
        .map(|segment| segment.len() + 1)
        .sum::<usize>();
    stamp
        .get(..(prefix.len() + STAMP.len() + len).saturating_sub(1))
        .unwrap_or(stamp)
}

/// The tenant, escaped, of a stamp.
pub(crate) fn tenant_of_stamp(stamp: &str) -> &str {
    let (_, rest) = around_stamp(stamp);
    rest.split(':').next().unwrap_or(rest)
}

/// What stands before the kind of a key, and what comes after it.
fn around_stamp(stamp: &str) -> (&str, &str) {
    stamp.split_once(STAMP).unwrap_or(("", stamp))
}

/// The key of the set of writers in the hold of a stamp.
pub(crate) fn hold_key(stamp: &str) -> String {
    let (prefix, rest) = around_stamp(stamp);
    [prefix, HOLD, rest].concat()
}

/// The key of the stay of a writer in the hold of a stamp, among others perhaps.
pub(crate) fn writer_key(stamp: &str, token: &[u8]) -> Vec<u8> {
    let (prefix, _) = around_stamp(stamp);
    [prefix.as_bytes(), WRITER.as_bytes(), token].concat()
}
