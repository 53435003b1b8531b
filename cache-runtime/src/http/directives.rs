//! What a client asks of the cache: the directives of a request's `Cache-Control` (RFC 9111, section 5.2.1).

use ::http::{HeaderMap, header::CACHE_CONTROL};

/// What the calls of a request do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Directive {
    /// `no-cache`, or `max-age=0`: they load anew.
    Refresh,
    /// `no-store`: they leave the cache alone.
    Bypass,
    /// `only-if-cached`: they look what is there.
    Peek,
}

impl Directive {
    /// The one that is obeyed: the more cautious one first. What is not understood is not there.
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        let given: Vec<Self> = headers
            .get_all(CACHE_CONTROL)
            .iter()
            .flat_map(|value| items(value.as_bytes()))
            .filter_map(directive)
            .collect();
        let by_caution = [Self::Peek, Self::Bypass, Self::Refresh];
        by_caution.into_iter().find(|wanted| given.contains(wanted))
    }
}

fn directive(item: &[u8]) -> Option<Directive> {
    let (name, argument) = match item.iter().position(|&byte| byte == b'=') {
        Some(at) => (&item[..at], Some(&item[at + 1..])),
        None => (item, None),
    };
    match &*name.trim_ascii().to_ascii_lowercase() {
        b"no-cache" => Some(Directive::Refresh),
        b"no-store" => Some(Directive::Bypass),
        b"only-if-cached" => Some(Directive::Peek),
        b"max-age" => argument.is_some_and(is_zero).then_some(Directive::Refresh),
        _ => None,
    }
}

/// Whether an argument, in quotes or not, is the number zero.
fn is_zero(argument: &[u8]) -> bool {
    let argument = argument.trim_ascii();
    let quoted = argument.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\""));
    let digits = quoted.unwrap_or(argument);
    !digits.is_empty() && digits.iter().all(|&digit| digit == b'0')
}

/// The members of a list. A comma in quotes parts none; what is never closed goes to the end.
fn items(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    let (mut in_quotes, mut escaped) = (false, false);
    list.split(move |&byte| {
        let parts = byte == b',' && !in_quotes;
        in_quotes ^= byte == b'"' && !escaped;
        escaped = byte == b'\\' && in_quotes && !escaped;
        parts
    })
}

#[cfg(test)]
mod tests {
    use ::http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn directive_of(values: &[&[u8]]) -> Option<Directive> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(CACHE_CONTROL, HeaderValue::from_bytes(value).unwrap());
        }
        Directive::of(&headers)
    }

    #[test]
    fn directives_are_found_however_they_are_written() {
        for refresh in [
            "no-cache",
            "NO-CACHE",
            " max-stale , no-cache",
            "max-age=0",
            "max-age = \"00\"",
            "no-cache=\"a\"",
        ] {
            assert_eq!(
                directive_of(&[refresh.as_bytes()]),
                Some(Directive::Refresh),
                "{refresh}"
            );
        }
        assert_eq!(directive_of(&[b"no-cache", b"no-store"]), Some(Directive::Bypass));
        assert_eq!(directive_of(&[b"only-if-cached, no-store"]), Some(Directive::Peek));
    }

    #[test]
    fn what_is_no_directive_asks_for_nothing() {
        for other in [
            "",
            ",,",
            "max-age=60",
            "max-age",
            "max-age=",
            "max-age=0x",
            "x=\"no-cache, no-store\"",
            "no-cached",
            "\"no-store",
            "x=\"\\\",no-store\"",
        ] {
            assert_eq!(directive_of(&[other.as_bytes()]), None, "{other}");
        }
        assert_eq!(directive_of(&[]), None);
    }

    proptest! {
        #[test]
        fn no_field_is_too_strange(values in prop::collection::vec(prop::collection::vec(0x20_u8..=0xff, 0..40), 0..4)) {
            let values: Vec<Vec<u8>> = values.into_iter().map(|value| value.into_iter().filter(|byte| *byte != 0x7f).collect()).collect();
            let values: Vec<&[u8]> = values.iter().map(Vec::as_slice).collect();
            let _ = directive_of(&values);
        }
    }
}
