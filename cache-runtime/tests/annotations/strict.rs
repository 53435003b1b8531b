//! A module that forbids what it can: nothing that the macros emit is held against it, and nothing of it is allowed again, which would not
//! compile.

use serde::{Deserialize, Serialize};

use std::collections::HashSet;

use self::forbidding::{always_early, never_returns, rate, shelf, unread, unread_by_a_mutation, unread_in_a_macro};

/// A type with methods that are annotated, which clippy looks for unsafe code in. Here, because other macros allow things.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Row {
    pub(crate) id: i64,
}

/// That a load took too long.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Late(pub(crate) String);

impl From<cache_runtime::LoadTimeout> for Late {
    fn from(timeout: cache_runtime::LoadTimeout) -> Self {
        Self(timeout.to_string())
    }
}

mod forbidding {
    #![forbid(
        dead_code,
        missing_copy_implementations,
        missing_debug_implementations,
        missing_docs,
        non_camel_case_types,
        unreachable_code,
        unreachable_pub,
        unused_braces,
        unused_imports,
        unused_mut,
        unused_qualifications,
        unused_variables,
        private_interfaces,
        unnameable_types,
        clippy::diverging_sub_expression,
        clippy::exhaustive_structs,
        clippy::missing_inline_in_public_items,
        clippy::items_after_statements,
        clippy::no_effect_underscore_binding,
        clippy::semicolon_if_nothing_returned,
        clippy::unsafe_derive_deserialize,
        clippy::single_char_lifetime_names,
        clippy::used_underscore_binding
    )]
    #![deny(clippy::pedantic, clippy::nursery)]

    use std::collections::HashSet;

    use cache_runtime::{cached, invalidates};

    use super::{Late, Row};

    pub(super) mod registry {
        type Slug = String;

        const WAIT: core::time::Duration = core::time::Duration::from_secs(5);

        pub(in super::super) struct Shelf(pub(in super::super) u8);

        impl core::fmt::Display for Shelf {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                self.0.fmt(f)
            }
        }

        cache_runtime::resources! {
            /// Rows.
            strict_rows { ttl = "1m", scope(company: i64, name: Option<String>) }
            /// Shelves, by a type that nobody else knows and an alias.
            strict_shelves { scope(shelf: Shelf, slug: Slug, row: Option<i64>) }
            /// Rows of everybody.
            strict_rates { tenant = shared }
            /// Rows that may be old for a while.
            strict_news {
                stale_while_revalidate = "30s",
                stale_if_error = "10m",
                load_timeout(soft = "1s", hard = WAIT),
                refresh_ahead,
                jitter = "10%",
                negative_ttl = "10s",
                soft,
            }
            /// Both.
            group strict_both = strict_rows, strict_rates;
            /// By a name.
            group strict_of(company) = strict_rows(company);
        }
    }

    impl Row {
        #[cached(resource = registry::strict_rows, scope(company, name))]
        pub(super) async fn load(&self, company: i64, name: Option<&str>) -> Result<Self, String> {
            name.map_or(Ok(Self { id: self.id + company }), |name| Err(name.to_owned()))
        }

        #[invalidates(registry::strict_of(company), registry::strict_rates)]
        pub(super) async fn change(&mut self, company: i64) -> Result<i64, String> {
            self.id += company;
            Ok(self.id)
        }
    }

    impl Row {
        #[cached(
            resource = registry::strict_news,
            stale_while_revalidate,
            load_timeout,
            refresh_ahead = 2.0,
            unless = |row| row.id > self.id + *limit + i64::from(zone),
            ttl = |row| core::time::Duration::from_secs(row.id.unsigned_abs()),
            cache_err = |late| late.0.contains(name),
        )]
        pub(super) async fn news(
            &self,
            mut zone: u8,
            name: &str,
            (limit, _x): (&i64, u8),
            _y: u8,
        ) -> Result<Self, Late> {
            zone += 1;
            if name.is_empty() {
                return Err(Late(name.to_owned()));
            }
            Ok(Self {
                id: self.id + i64::from(zone) + limit,
            })
        }

        #[cached(resource = registry::strict_news, stale_while_revalidate = "1s", load_timeout(hard = "1s"), refresh_ahead = "off", skip(_log))]
        pub(super) async fn unread_news(
            mut self,
            _zone: u32,
            _set: &HashSet<u8>,
            _log: &mut Vec<u8>,
        ) -> Result<i64, Late> {
            self.id += 1;
            Ok(self.id)
        }

        #[cached(
            resource = registry::strict_news,
            stale_while_revalidate = "off",
            load_timeout = "off",
            refresh_ahead = "off",
            ttl = |_| core::time::Duration::from_secs(1),
        )]
        pub(super) async fn old_news(&self, zone: u8) -> i64 {
            self.id + i64::from(zone)
        }
    }

    #[cached(resource = registry::strict_shelves, scope(shelf = registry::Shelf(1), slug, row = None))]
    pub(super) async fn shelf(slug: &str) -> usize {
        slug.len()
    }

    #[cached(resource = registry::strict_rates, near = "tracked", lease, ttl = "5m", unless = |rate| *rate == 0)]
    pub(super) async fn rate(zone: u32) -> u32 {
        zone
    }

    /// What is part of the key without being named in the body.
    #[cached(resource = registry::strict_rates)]
    pub(super) async fn unread(_zone: u32, (_, _x): (u8, &str), _set: &HashSet<u8>) -> u32 {
        1
    }

    #[invalidates(registry::strict_rates, detach)]
    pub(super) async fn unread_by_a_mutation(_zone: u32) {}

    macro_rules! given {
        ($name:ident: $ty:ty) => {
            #[cached(resource = registry::strict_rates)]
            pub(super) async fn unread_in_a_macro($name: $ty, _own: u8) -> u8 {
                2
            }
        };
    }
    given!(_zone: u32);

    #[cached(resource = registry::strict_rates)]
    pub(super) async fn always_early(zone: u32) -> Result<u32, String> {
        if zone > 0 {
            return Ok(zone % 2);
        }
        return Err("no zone".to_owned());
    }

    #[invalidates(registry::strict_both)]
    pub(super) async fn never_returns() -> u32 {
        panic!("by order of the test")
    }
}

#[tokio::test]
async fn a_module_that_forbids_what_it_can_may_annotate_its_functions() {
    let mut row = Row { id: 1 };
    assert_eq!(row.load(1, None).await, Ok(Row { id: 2 }));
    assert_eq!(row.change(1).await, Ok(2));
    assert_eq!(row.news(1, "n", (&1, 2), 3).await, Ok(Row { id: 5 }));
    assert_eq!(
        row.clone().unread_news(1, &HashSet::new(), &mut Vec::new()).await,
        Ok(3)
    );
    assert_eq!(row.old_news(1).await, 3);
    assert_eq!((rate(1).await, always_early(3).await), (1, Ok(1)));
    assert_eq!(
        (
            unread(1, (2, "x"), &HashSet::new()).await,
            unread_in_a_macro(1, 2).await
        ),
        (1, 2)
    );
    assert_eq!(shelf("s").await, 1);
    unread_by_a_mutation(1).await;
    assert!(tokio::spawn(never_returns()).await.unwrap_err().is_panic());
}
