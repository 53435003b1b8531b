//! A crate that knows the runtime by another name, which the macros find by themselves, and modules that have it from a facade, which
//! they are told.

// What others declare in public must pass lints that look at what is public.
#![deny(clippy::exhaustive_enums, clippy::exhaustive_structs)]

/// What a company's own crate may look like, through which its services have the runtime.
pub mod facade {
    pub use caching as runtime;
}

/// What a company's own crate may offer: annotated functions for crates that know neither the runtime nor the resources.
#[macro_export]
#[rustfmt::skip] // It is moved to the right each time.
macro_rules! pages_of_company {
    ($registry:ident, $read:ident, $change:ident) => {
        mod $registry {
            $crate::facade::runtime::resources! {
                crate = $crate::facade::runtime;

                /// Pages of this crate.
                own { ttl = $crate::TTL, scope(company: $crate::Company, reader: Option<i64>) }
                /// Pages of a company.
                group of_company(company) = own(company);
            }
        }

        #[$crate::facade::runtime::cached(
            crate = $crate::facade::runtime,
            resource = $crate::through_facade::registry::pages,
            scope(company),
            ttl = $crate::TTL,
            near = "tracked",
            lease = $crate::TTL,
            skip(seen),
            when = company > 0
        )]
        async fn $read(company: i64, _page: u32, seen: &mut Vec<i64>) -> Option<Result<i64, String>> {
            seen.push(company);
            Some(Ok(company))
        }

        #[$crate::facade::runtime::invalidates(
            $crate::through_facade::registry::pages(company = result),
            self::$registry::of_company(company = company),
            self::$registry::own(reader = None),
            crate = $crate::facade::runtime,
            detach
        )]
        async fn $change(company: i64) -> Result<i64, String> {
            Ok(company)
        }
    };
}

/// How long pages live.
pub const TTL: std::time::Duration = std::time::Duration::from_secs(90);

/// The number of a company.
pub type Company = i64;

/// Under the name that Cargo.toml gives it.
pub mod cache_resources {
    caching::resources! {
        /// Rows.
        rows { ttl = "1m", scope(company: i64, viewer: Option<i64>) }
        /// Rows of a company.
        group rows_of(company) = rows(company);
    }
}

/// From a facade.
pub mod through_facade {
    use crate::facade::runtime::{cached, invalidates};

    /// A registry of its own.
    pub mod registry {
        crate::facade::runtime::resources! {
            crate = crate::facade::runtime;

            /// Pages.
            pages { ttl = 60, scope(company: i64) }
        }
    }

    /// A page.
    #[cached(crate = crate::facade::runtime, resource = registry::pages, scope(company), near = "tracked", lease)]
    pub async fn page(company: i64) -> Option<Result<i64, String>> {
        Some(Ok(company))
    }

    /// Changes pages.
    ///
    /// # Errors
    ///
    /// None.
    #[invalidates(registry::pages(company = result), crate = crate::facade::runtime)]
    pub async fn change(company: i64) -> Result<i64, String> {
        Ok(company)
    }
}

#[cfg(test)]
mod tests {
    use caching::{Cache, cached, invalidates, with_cache};

    use crate::through_facade;

    #[cached(resource = "rows", scope(company, viewer), ttl = "2m")]
    async fn rows(company: i64, viewer: Option<i64>, page: u32) -> Vec<u32> {
        vec![page]
    }

    #[invalidates("rows_of"(company), "row*"(company))]
    async fn change(company: i64) {}

    #[tokio::test]
    async fn the_macros_find_the_runtime_by_whatever_name_it_has() {
        let cache = Cache::builder().build();
        with_cache(cache.clone(), async {
            for _ in 0..2 {
                assert_eq!(rows(1, None, 3).await, [3]);
                assert_eq!(through_facade::page(7).await, Some(Ok(7)));
            }
            assert_eq!(cache.stats().loads, 2);
            change(1).await;
            assert_eq!(through_facade::change(7).await, Ok(7));
            rows(1, None, 3).await;
            through_facade::page(7).await;
            assert_eq!(cache.stats().loads, 4);
        })
        .await;
    }
}
