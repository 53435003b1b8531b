//! Any texts as tenants and scope values: the key reads back, and nobody reaches another's.
//!
//! The input is texts with the byte 0xFF, which UTF-8 never has, between them: two tenants, then scope values.

use cache_runtime::{
    __private::canonical_json,
    inspect::{Key, KeyFilter, KeyKind},
    store::Address,
};
use percent_encoding::percent_decode_str;

const SCOPES: [&str; 3] = ["company", "region", "zone"];

/// Bytes of a segment that is longer than this are replaced by a digest.
const LONGEST_SEGMENT: usize = 128;

pub(crate) fn check(data: &[u8]) {
    let texts: Vec<_> = data.split(|&byte| byte == 0xFF).map(String::from_utf8_lossy).collect();
    let tenant = &*texts[0];
    let other = texts.get(1).map_or("", |text| &**text);
    let values = texts.get(2..).unwrap_or_default();
    let scopes: Vec<(&str, &str)> = SCOPES.into_iter().zip(values.iter().map(|value| &**value)).collect();

    let address = Address::new(tenant, "rows", &scopes, "0123456789ab");
    assert_eq!(Address::parse(address.entry()).as_ref(), Some(&address));
    let escaped = segments(&address);
    assert_eq!(escaped.len(), 4 + scopes.len());
    assert_text(escaped[1], tenant);
    for ((name, value), segment) in scopes.iter().zip(&escaped[3..]) {
        let segment = segment.strip_prefix(name).and_then(|rest| rest.strip_prefix('-'));
        assert_text(segment.expect("a scope begins with its name"), value);
    }

    let key = Key::parse(address.entry());
    assert_eq!((key.kind, key.scopes.len()), (KeyKind::Entry, scopes.len()));
    let filter = KeyFilter::entries().tenant(tenant);
    assert!(filter.accepts(&key));
    assert_eq!(KeyFilter::entries().tenant(other).accepts(&key), tenant == other);
    for stamp in address.stamps() {
        assert_eq!(Key::parse(stamp).kind, KeyKind::Stamp);
    }

    let neighbour = Address::new(other, "rows", &scopes, "0123456789ab");
    assert_eq!(tenant == other, address == neighbour);
    assert_eq!(tenant == other, escaped[1] == segments(&neighbour)[1]);

    // What a sweep comes across, and whoever looks.
    assert_eq!(Key::parse(tenant).text, tenant);
    if let Some(found) = Address::parse(tenant) {
        assert_eq!(found.entry(), tenant);
    }

    let json = canonical_json(tenant).expect("a string has a canonical form");
    assert!(json.bytes().all(|byte| matches!(byte, b' '..=b'~')), "{json}");
    assert_eq!(serde_json::from_str::<String>(&json).expect("it is JSON"), tenant);
}

fn segments(address: &Address) -> Vec<&str> {
    address.entry().split(':').collect()
}

/// Whether a segment stands for a text and holds nothing that means something in a key, in a pattern or in a cluster.
fn assert_text(segment: &str, text: &str) {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-%".contains(&byte);
    if let Some(digest) = segment.strip_prefix('~') {
        assert!(
            digest.len() == 32 && digest.bytes().all(|byte| byte.is_ascii_hexdigit()),
            "{segment}"
        );
        assert!(
            text.len() > LONGEST_SEGMENT / 3,
            "{text:?} is short, and became {segment}"
        );
    } else {
        assert!(
            segment.len() <= LONGEST_SEGMENT && segment.bytes().all(plain),
            "{segment}"
        );
        assert_eq!(percent_decode_str(segment).decode_utf8().expect("UTF-8"), text);
    }
}
