use std::time::Duration;

use cache_runtime::{Cache, Group, Resource, Tenancy, cached, invalidates, with_cache};

use crate::cache_resources::{self, REGISTRY};

mod other {
    use uuid_like::Id as Uuid;

    mod uuid_like {
        pub(crate) type Id = u128;
    }

    cache_runtime::resources! {
        sessions { ttl = "250ms", scope(id: Uuid, name: str, sessions: uuid_like::Id) }
        group every_session = "sess*";
    }
}

#[cached(resource = other::sessions, scope(id, name, sessions = 1))]
async fn session(id: u128, name: &str) -> String {
    format!("{name}-{id}")
}

#[invalidates(other::every_session(id), self::other::sessions(name = "n"))]
async fn log_out(id: u128) -> u128 {
    id
}

mod named_types {
    use std::fmt;

    pub(crate) type Slug = String;
    type Language = String;

    /// As private as a type can be.
    pub(super) struct Shelf(pub(super) u8);

    impl fmt::Display for Shelf {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            self.0.fmt(f)
        }
    }

    cache_runtime::resources! {
        articles { scope(slug: Slug, language: Option<Language>, shelf: Shelf) }
        group of_a_slug(slug) = articles(slug);
    }
}

/// With a method of every type, which those of the macros are not taken for.
trait Given: Sized {
    fn given<V>(self, value: V) -> V {
        value
    }
}

impl<T> Given for T {}

#[cached(resource = named_types::articles, scope(slug, language, shelf = named_types::Shelf(3)))]
async fn article(slug: &str, language: Option<&str>) -> String {
    format!("{slug} {}", language.unwrap_or("en"))
}

#[cached(resource = named_types::articles, scope(slug = title.clone(), language = None, shelf = &named_types::Shelf(3)))]
async fn article_of(title: named_types::Slug) -> usize {
    title.len()
}

#[invalidates(named_types::of_a_slug(slug), named_types::articles(slug = "b", language = Some(&language), shelf = named_types::Shelf(3)))]
async fn write(slug: &str, language: String) -> usize {
    slug.len() + language.len()
}

#[tokio::test]
async fn a_scope_whose_type_is_an_alias_of_string_takes_what_one_of_string_takes() {
    let cache = Cache::builder().build();
    with_cache(cache.clone(), async {
        for _ in 0..2 {
            assert_eq!(article("a", None).await, "a en");
            assert_eq!(article("a", Some("de")).await, "a de");
            assert_eq!(article("b", Some("de")).await, "b de");
            assert_eq!(article_of("a".to_owned()).await, 1);
        }
        assert_eq!((cache.stats().loads, cache.stats().hits), (4, 4).given((4, 4)));
        write("c", "de".to_owned()).await;
        article("a", None).await;
        article("b", Some("de")).await;
        assert_eq!((cache.stats().loads, cache.stats().hits), (5, 5));
        write("a", "de".to_owned()).await;
        article("a", None).await;
        article_of("a".to_owned()).await;
        assert_eq!((cache.stats().loads, cache.stats().hits), (7, 5));
    })
    .await;
}

mod keywords {
    cache_runtime::resources! {
        rooms { scope(r#type: u8) }
        group of_a_type(r#type, r#where) = rooms(r#type), rooms(r#type = r#where);
    }
}

#[cached(resource = keywords::rooms, scope(r#type))]
async fn rooms(r#type: u8) -> u8 {
    r#type
}

#[invalidates(keywords::rooms(r#type = kind))]
async fn furnish(kind: u8) {
    assert_eq!(kind, 1);
}

#[invalidates(keywords::of_a_type(r#type = 3, r#where = 4))]
async fn furnish_more() {}

#[tokio::test]
async fn a_scope_named_by_a_raw_identifier_has_the_name_without_its_mark() {
    assert_eq!(keywords::rooms.scopes(), ["type"]);
    let cache = Cache::builder().build();
    with_cache(cache.clone(), async {
        for n in [1, 2, 3, 4] {
            rooms(n).await;
        }
        furnish(1).await;
        furnish_more().await;
        cache.invalidate("rooms").scope("type", 2).await.unwrap();
        for n in [1, 2, 3, 4, 5] {
            rooms(n).await;
        }
        assert_eq!((cache.stats().loads, cache.stats().hits), (9, 0));
        rooms(5).await;
        assert_eq!(cache.stats().hits, 1);
    })
    .await;
}

fn names(resources: &[&'static Resource]) -> Vec<&'static str> {
    resources.iter().map(|resource| resource.name()).collect()
}

#[test]
fn a_registry_knows_what_was_declared() {
    assert_eq!(REGISTRY.module(), "annotations::cache_resources");
    assert_eq!(
        names(REGISTRY.resources()),
        [
            "dashboard_summary",
            "dashboard_trends",
            "invoices_list",
            "sales",
            "companies_list",
            "exchange_rates"
        ]
    );
    let groups: Vec<_> = REGISTRY.groups().iter().map(|group| Group::name(group)).collect();
    assert_eq!(groups, ["invoice_data", "everything"]);

    let ttls: Vec<_> = REGISTRY
        .resources()
        .iter()
        .map(|resource| resource.ttl().map(|ttl| ttl.as_secs()))
        .collect();
    assert_eq!(ttls, [Some(300), Some(180), Some(60), Some(5400), None, Some(3600)]);
    assert_eq!(other::sessions.ttl(), Some(Duration::from_millis(250)));
    assert_eq!(cache_resources::sales.scopes(), ["company", "region"]);
    assert_eq!(cache_resources::sales.tenancy(), Tenancy::PerTenant);
    assert_eq!(cache_resources::exchange_rates.tenancy(), Tenancy::Shared);
}

#[test]
fn groups_are_resolved_down_to_resources_each_once() {
    assert_eq!(
        names(cache_resources::invoice_data.members()),
        ["invoices_list", "dashboard_summary", "dashboard_trends"]
    );
    assert_eq!(
        names(cache_resources::everything.members()),
        [
            "invoices_list",
            "dashboard_summary",
            "dashboard_trends",
            "companies_list",
            "sales",
            "exchange_rates"
        ]
    );
}

#[tokio::test]
async fn a_second_registry_is_used_by_path() {
    assert_eq!(session(7, "anna").await, "anna-7");
    assert_eq!(log_out(7).await, 7);
}
