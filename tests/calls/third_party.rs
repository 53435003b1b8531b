//! Types of other crates as people use them: each comes back from a hit as it was, or is not stored, by every codec.

use std::{
    fmt::Debug,
    str::FromStr,
    sync::atomic::{AtomicU32, Ordering},
};

use bigdecimal::BigDecimal;
use cache_runtime::{Cache, cached, with_cache};
use chrono::{DateTime, FixedOffset, NaiveDate, NaiveDateTime, NaiveTime, TimeZone, Utc};
use indexmap::{IndexMap, IndexSet};
use ipnet::IpNet;
use ordered_float::{NotNan, OrderedFloat};
use proptest::prelude::*;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use url::Url;
use uuid::Uuid;

#[cached(resource = "values", independent(value, loads))]
async fn as_json<T: Serialize + DeserializeOwned + Clone>(value: &T, loads: &AtomicU32) -> T {
    loads.fetch_add(1, Ordering::Relaxed);
    value.clone()
}

#[cached(resource = "binary", codec = "postcard", independent(value, loads))]
async fn as_postcard<T: Serialize + DeserializeOwned + Clone>(value: &T, loads: &AtomicU32) -> T {
    loads.fetch_add(1, Ordering::Relaxed);
    value.clone()
}

/// Calls twice with each codec. Returns how often the bodies ran: two times if both codecs have stored it.
fn loads_of<T: Serialize + DeserializeOwned + Clone + PartialEq + Debug>(value: &T) -> u32 {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(with_cache(Cache::builder().build(), async {
        let loads = AtomicU32::new(0);
        for _ in 0..2 {
            assert_eq!(as_json(value, &loads).await, *value);
            assert_eq!(as_postcard(value, &loads).await, *value);
        }
        loads.into_inner()
    }))
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Invoice {
    id: Uuid,
    total: Decimal,
    exact: BigDecimal,
    due: NaiveDate,
    at: NaiveDateTime,
    opens: NaiveTime,
    paid: Option<DateTime<Utc>>,
    sent: DateTime<FixedOffset>,
    zoned: jiff::Zoned,
    stamped: jiff::Timestamp,
    offset: time::OffsetDateTime,
    link: Url,
    net: IpNet,
    weight: OrderedFloat<f64>,
    rate: NotNan<f64>,
    lines: IndexMap<String, Decimal>,
    tags: IndexSet<String>,
}

fn invoice() -> impl Strategy<Value = Invoice> {
    let decimal = (any::<i64>(), 0..20_u32).prop_map(|(number, scale)| Decimal::new(number, scale));
    let seconds = -60_000_000_000..200_000_000_000_i64;
    let moment = (seconds, 0..1_000_000_000_u32)
        .prop_map(|(seconds, nanos)| Utc.timestamp_opt(seconds, nanos).single().expect("within range"));
    (
        (
            any::<u128>(),
            decimal.clone(),
            any::<i64>(),
            0..30_i64,
            moment,
            -12..12_i32,
        ),
        (any::<f64>(), any::<u32>(), 0..=32_u8),
        prop::collection::vec(("[a-z]{1,3}", decimal), 0..4),
    )
        .prop_map(
            |((id, total, number, scale, moment, hours), (weight, address, prefix), lines)| {
                let stamped = jiff::Timestamp::new(moment.timestamp(), 0).expect("within range");
                Invoice {
                    id: Uuid::from_u128(id),
                    total,
                    exact: BigDecimal::new(number.into(), scale),
                    due: moment.date_naive(),
                    at: moment.naive_utc(),
                    opens: moment.time(),
                    paid: (number % 2 == 0).then_some(moment),
                    sent: moment.with_timezone(&FixedOffset::east_opt(hours * 3600).expect("within a day")),
                    zoned: stamped.to_zoned(jiff::tz::TimeZone::UTC),
                    stamped,
                    offset: time::OffsetDateTime::from_unix_timestamp(moment.timestamp()).expect("within range"),
                    link: Url::from_str(&format!("https://example.com/{number}?q=a%20b")).expect("a URL"),
                    net: IpNet::new(std::net::Ipv4Addr::from(address).into(), prefix).expect("a prefix"),
                    weight: OrderedFloat(if weight.is_nan() { 0.0 } else { weight }),
                    rate: NotNan::new(if weight.is_finite() { weight } else { 1.5 }).expect("a number"),
                    tags: lines.iter().rev().map(|(name, _)| name.clone()).collect(),
                    lines: lines.into_iter().collect(),
                }
            },
        )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn an_invoice_of_their_types_comes_back_as_it_was_or_is_not_stored(invoice in invoice()) {
        loads_of(&invoice);
    }

    #[test]
    fn decimals_keep_their_scale(number in any::<i64>(), scale in 0..20_u32) {
        let decimal = Decimal::new(number, scale);
        prop_assert_eq!(loads_of(&decimal), 2);
        prop_assert_eq!(loads_of(&BigDecimal::new(number.into(), scale.into())), 2);
    }
}

#[test]
fn each_of_them_is_stored() {
    let moment = Utc.timestamp_opt(1_764_201_600, 123_456_789).single().unwrap();
    assert_eq!(loads_of(&Uuid::from_u128(7)), 2);
    assert_eq!(loads_of(&moment), 2);
    assert_eq!(loads_of(&moment.naive_utc()), 2);
    assert_eq!(loads_of(&Url::from_str("https://example.com/a?b#c").unwrap()), 2);
    assert_eq!(loads_of(&IpNet::from_str("10.1.0.0/16").unwrap()), 2);
    assert_eq!(loads_of(&OrderedFloat(0.1 + 0.2)), 2);
    assert_eq!(loads_of(&IndexMap::from([("b".to_owned(), 1), ("a".to_owned(), 2)])), 2);
    assert_eq!(loads_of(&jiff::Timestamp::UNIX_EPOCH), 2);
    assert_eq!(loads_of(&time::OffsetDateTime::UNIX_EPOCH), 2);
}
