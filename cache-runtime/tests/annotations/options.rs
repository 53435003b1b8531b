use std::time::Duration;

use cache_runtime::cached;

use crate::{AppError, Filter, cache_resources, count};

const TTL: Duration = Duration::from_secs(9);

struct Claims {
    tenant: String,
}

#[cached(
    resource = "sales",
    ttl = "5m",
    independent(claims),
    key(filter.page, kind = "table"),
    scope(company, region = filter.region),
    tenant = claims.tenant,
    when = filter.page < 10,
    unless = |total: &i64| *total == 0,
    version = 2,
)]
async fn all_of_them(company: i64, filter: &Filter, claims: &Claims) -> Result<i64, AppError> {
    Ok(company + count(claims.tenant.len()))
}

#[cached(resource = cache_resources::invoices_list, ttl = TTL, scope(company))]
async fn resource_by_path(company: i64) -> i64 {
    company
}

#[cached(resource = "companies_list", ttl = Duration::from_millis(limit))]
async fn ttl_from_an_argument(limit: u64) -> u64 {
    limit
}

#[cached(resource = "companies_list", unless = Vec::is_empty)]
async fn unless_by_path(n: usize) -> Vec<usize> {
    vec![n; n]
}

#[cached(resource = "companies_list", unless = |names| names.len() > limit)]
async fn unless_with_an_argument(limit: usize) -> Option<Vec<String>> {
    Some(vec!["a".to_owned(); limit])
}

#[cached(resource = "companies_list")]
async fn tenant_by_name(tenant_id: &str) -> String {
    tenant_id.to_owned()
}

#[cached(resource = "companies_list", tenant = customer)]
async fn tenant_by_another_argument(customer: String, tenant_id: i64) -> String {
    format!("{customer} {tenant_id}")
}

#[cached(resource = "invoices_list", scope(company = offset + 1), key(next = offset - 1, wide = offset > 2))]
async fn expressions_of_several_operands(offset: i64) -> i64 {
    offset
}

#[tokio::test]
async fn every_option_is_accepted_and_the_body_runs() {
    let filter = Filter {
        region: "north".into(),
        ..Filter::default()
    };
    let claims = Claims { tenant: "abc".into() };
    assert_eq!(all_of_them(1, &filter, &claims).await, Ok(4));
    assert_eq!(resource_by_path(2).await, 2);
    assert_eq!(ttl_from_an_argument(3).await, 3);
    assert_eq!(unless_by_path(2).await, [2, 2]);
    assert_eq!(unless_with_an_argument(1).await, Some(vec!["a".to_owned()]));
    assert_eq!(expressions_of_several_operands(1).await, 1);
    assert_eq!(tenant_by_name("t").await, "t");
    assert_eq!(tenant_by_another_argument("c".into(), 4).await, "c 4");
}

/// What a surrounding macro is given reaches the attribute inside of invisible brackets.
mod from_a_macro {
    use cache_runtime::{cached, invalidates};

    macro_rules! on_always {
        ($on:expr, $ttl:expr) => {
            #[invalidates("companies_list", on = $on)]
            pub(super) async fn change_always() {}

            #[cached(resource = "companies_list", ttl = $ttl)]
            pub(super) async fn of_a_duration(id: u32) -> u32 {
                id
            }
        };
    }

    on_always!("always", std::time::Duration::from_secs(5) * 2);

    macro_rules! declared {
        ($registry:ident, $resource:ident, $name:literal, $ttl:expr, $lease:expr, $path:path, $codec:expr, $near:expr, $version:literal) => {
            pub(super) mod $registry {
                cache_runtime::resources! {
                    $resource { ttl = $ttl, scope(company: i64), max_loads = $version }
                }
            }

            #[cached(
                                                                                                    resource = $path,
                                                                                                    ttl = $ttl,
                                                                                                    lease = $lease,
                                                                                                    scope(company),
                                                                                                    codec = $codec,
                                                                                                    near = $near,
                                                                                                    version = $version
                                                                                                )]
            pub(super) async fn from_path(company: i64) -> i64 {
                company
            }

            #[cached(resource = $name, ttl = $ttl)]
            pub(super) async fn from_text(id: u32) -> u32 {
                id
            }

            #[invalidates($path(company), $name)]
            pub(super) async fn change(company: i64) {}
        };
    }

    declared!(
        grouped,
        pages,
        "companies_list",
        "5m",
        "3s",
        grouped::pages,
        "json",
        "checked",
        2
    );
}

#[tokio::test]
async fn options_may_come_from_a_surrounding_macro() {
    use from_a_macro::{change, change_always, from_path, from_text, grouped, of_a_duration};

    assert_eq!(grouped::pages.ttl(), Some(Duration::from_mins(5)));
    assert_eq!(grouped::pages.max_loads(), Some(2));
    assert_eq!(
        (from_path(1).await, from_text(2).await, of_a_duration(3).await),
        (1, 2, 3)
    );
    change(1).await;
    change_always().await;
}
