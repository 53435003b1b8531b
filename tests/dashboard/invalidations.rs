//! Invalidation by hand: asked for, confirmed, done; and by nobody else.

use axum::http::StatusCode;
use cache_runtime::Outcome::{Hit, Miss};
use cache_testkit::{expect_outcomes, isolated};

use crate::{
    service::{invoices, rates},
    site::Site,
};

const OF_ONE_COMPANY: &str = "what=resource&name=invoices_list&tenant=&scopes=company%3D7";

#[tokio::test]
async fn what_it_will_do_is_said_before_it_does_it() {
    isolated(async |cache| {
        invoices(7, 1).await;
        let site = Site::of(&cache).own();
        let page = site.get(&format!("/cache/confirm?{OF_ONE_COMPANY}")).await.shown();
        for sentence in [
            "Invalidate invoices_list?",
            "<code>company</code> <code>7</code>",
            "of the tenant <code>default</code>",
            "1 stamp is removed in one round trip",
            "The next call of each of its keys loads",
            "cache.invalidate(&quot;invoices_list&quot;).tenant(&quot;default&quot;).scope(&quot;company&quot;, &quot;7&quot;).await",
        ] {
            assert!(page.contains(sentence), "{sentence} in {page}");
        }
        expect_outcomes(&[Hit], invoices(7, 1)).await;
    })
    .await;
}

#[tokio::test]
async fn what_was_confirmed_is_done_and_nothing_more() {
    isolated(async |cache| {
        invoices(7, 1).await;
        invoices(8, 1).await;
        rates().await;
        let site = Site::of(&cache).own();
        let asked = site.get(&format!("/cache/confirm?{OF_ONE_COMPANY}")).await;
        let form = format!("{OF_ONE_COMPANY}&soft=false&token={}", asked.field("token"));
        let done = site
            .with("cookie", &asked.cookie())
            .post("/cache/invalidate", &form)
            .await
            .shown();
        assert!(done.contains("Done, and acknowledged by the store"), "{done}");
        expect_outcomes(&[Miss, Hit, Hit], async {
            (invoices(7, 1).await, invoices(8, 1).await, rates().await)
        })
        .await;
    })
    .await;
}

#[tokio::test]
async fn tags_tenants_groups_and_patterns_are_invalidated_too() {
    isolated(async |cache| {
        let site = Site::of(&cache).own();
        for (order, said) in [
            (
                "what=tag&name=author&value=3&tenant=a",
                "Whatever a load has tagged with <code>author</code> <code>3</code>",
            ),
            ("what=tenant&tenant=client-a", "everything of the tenant client-a"),
            (
                "what=resource&name=company_data&tenant=a",
                "<code>balances</code>, <code>invoices_list</code>",
            ),
            ("what=resource&name=exchange_*&tenant=", "of what tenants share"),
            (
                "what=resource&name=forgotten&soft=true",
                "while one caller loads it again",
            ),
        ] {
            let asked = site.get(&format!("/cache/confirm?{order}")).await;
            assert!(asked.text.contains(said), "{said} in {}", asked.text);
            let before = cache.stats().invalidations;
            let form = format!("{order}&token={}", asked.field("token"));
            site.with("cookie", &asked.cookie())
                .post("/cache/invalidate", &form)
                .await
                .shown();
            assert_eq!(cache.stats().invalidations, before + 1, "{order}");
        }
    })
    .await;
}

#[tokio::test]
async fn what_is_not_understood_is_asked_for_again_with_what_is_wrong() {
    isolated(async |cache| {
        let site = Site::of(&cache);
        for (order, said) in [
            (
                "what=resource&name=invoices_lst",
                "the most similar name is <code>invoices_list</code>",
            ),
            (
                "what=resource&name=notes&scopes=company%3D7",
                "has no scope <code>company</code>",
            ),
            (
                "what=resource&name=notes&scopes=company",
                "<code>company</code> names no scope",
            ),
            ("what=resource&name=notes&soft=true", "can only be invalidated strictly"),
            ("what=resource", "Name a resource"),
            ("what=tenant", "Name the tenant"),
            ("what=tag&name=autor&value=1", "author"),
        ] {
            let page = site.get(&format!("/cache/confirm?{order}")).await;
            assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY, "{order}");
            assert!(page.text.contains(said), "{said} in {}", page.text);
        }
        assert_eq!(cache.stats().invalidations, 0);
    })
    .await;
}

#[tokio::test]
async fn a_form_that_another_site_sends_does_nothing() {
    isolated(async |cache| {
        let site = Site::of(&cache);
        let asked = site.get(&format!("/cache/confirm?{OF_ONE_COMPANY}")).await;
        let form = format!("{OF_ONE_COMPANY}&token={}", asked.field("token"));
        let site = site.with("cookie", &asked.cookie());
        for sender in [
            site.with("sec-fetch-site", "cross-site"),
            site.with("sec-fetch-site", "same-site"),
            site.with("sec-fetch-site", "none"),
            site.with("sec-fetch-site", "cross-site")
                .with("origin", "http://localhost:8080"),
            site.with("origin", "http://evil.example"),
            site.with("origin", "http://localhost:9999"),
            site.with("origin", "null"),
            site.with("accept", "*/*"),
        ] {
            let answer = sender.post("/cache/invalidate", &form).await;
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{:?}", sender.headers);
            assert!(
                answer.text.contains("does not come from this dashboard"),
                "{}",
                answer.text
            );
        }
        assert_eq!(cache.stats().invalidations, 0);
        // Of a browser that does not say from which site it comes, but from which origin.
        site.with("origin", "http://localhost:8080")
            .post("/cache/invalidate", &form)
            .await
            .shown();
        assert_eq!(cache.stats().invalidations, 1);
    })
    .await;
}

#[tokio::test]
async fn a_form_without_the_token_of_the_browser_does_nothing() {
    isolated(async |cache| {
        let site = Site::of(&cache).own();
        let asked = site.get(&format!("/cache/confirm?{OF_ONE_COMPANY}")).await;
        let token = asked.field("token").to_owned();
        let another = site
            .get(&format!("/cache/confirm?{OF_ONE_COMPANY}"))
            .await
            .field("token")
            .to_owned();
        assert_ne!(token, another, "each browser has one of its own");
        let with_cookie = site.with("cookie", &asked.cookie());
        for (sender, token) in [
            (&with_cookie, ""),
            (&with_cookie, &*another),
            (&site, &*token),
            (&site.with("cookie", "cache-dashboard-token="), ""),
            (&site.with("cookie", "cache-dashboard-token=<x>"), "<x>"),
        ] {
            let answer = sender
                .post("/cache/invalidate", &format!("{OF_ONE_COMPANY}&token={token}"))
                .await;
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{}", answer.text);
        }
        assert_eq!(cache.stats().invalidations, 0);
        let again = with_cookie.get(&format!("/cache/confirm?{OF_ONE_COMPANY}")).await;
        assert_eq!(
            again.field("token"),
            token,
            "several pages of one browser have the same"
        );
    })
    .await;
}

#[tokio::test]
async fn nothing_is_invalidated_by_a_link() {
    isolated(async |cache| {
        let site = Site::of(&cache).own();
        site.get(&format!("/cache/invalidate?{OF_ONE_COMPANY}")).await.shown();
        site.get(&format!("/cache/confirm?{OF_ONE_COMPANY}")).await.shown();
        assert_eq!(cache.stats().invalidations, 0);
    })
    .await;
}
