//! Who is let in.

use std::net::SocketAddr;

use axum::http::{StatusCode, header};
use cache_runtime::{
    Cache,
    dashboard::{Access, Dashboard},
};

use crate::site::Site;

const PAGES: [&str; 9] = [
    "/cache",
    "/cache/resources",
    "/cache/resource?name=notes",
    "/cache/entries",
    "/cache/entry?key=x",
    "/cache/hot",
    "/cache/invalidate",
    "/cache/events",
    "/cache/style.css",
];

fn site() -> Site {
    Site::of(&Cache::builder().build())
}

async fn assert_refused(site: &Site, because: &str) {
    for page in PAGES {
        let answer = site.get(page).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{page}");
        assert!(answer.text.contains(because), "{because} in {}", answer.text);
    }
}

#[tokio::test]
async fn without_a_hook_this_machine_is_let_in_under_its_own_names() {
    for host in [
        "localhost",
        "localhost:8080",
        "LOCALHOST.",
        "cache.localhost:1",
        "127.0.0.1:8080",
        "[::1]:8080",
        "127.3.2.1",
    ] {
        let site = site().with("host", host);
        assert_eq!(site.get("/cache").await.status, StatusCode::OK, "{host}");
    }
    let peers = ["127.0.0.1:1", "[::1]:1", "[::ffff:127.0.0.1]:1"];
    for peer in peers.map(|peer| peer.parse::<SocketAddr>().unwrap()) {
        assert_eq!(
            site().from(Some(peer)).get("/cache").await.status,
            StatusCode::OK,
            "{peer}"
        );
    }
}

#[tokio::test]
async fn without_a_hook_another_machine_is_refused_and_told_what_to_do() {
    for peer in ["192.0.2.1:1", "[2001:db8::1]:1", "[::ffff:192.0.2.1]:1"] {
        assert_refused(&site().from(Some(peer.parse().unwrap())), "Dashboard::authorize").await;
    }
}

#[tokio::test]
async fn without_a_hook_nobody_is_let_in_where_it_is_not_known_who_asks() {
    assert_refused(&site().from(None), "into_make_service_with_connect_info").await;
}

#[tokio::test]
async fn without_a_hook_a_name_of_somebody_elses_that_leads_here_is_refused() {
    for host in [
        "evil.example",
        "localhost.evil.example",
        "192.0.2.1",
        "evil.example:8080",
        "127.0.0.1.evil.example",
        "",
        "a b",
    ] {
        assert_refused(&site().with("host", host), "not one of this machine").await;
    }
}

#[tokio::test]
async fn without_a_hook_what_a_proxy_passes_on_is_refused() {
    for header in ["forwarded", "x-forwarded-for", "x-real-ip"] {
        assert_refused(&site().with(header, "127.0.0.1"), "through a proxy").await;
    }
}

#[tokio::test]
async fn a_hook_decides_by_the_head_of_the_request_and_by_nothing_else() {
    let dashboard = Dashboard::new(&Cache::builder().build());
    let dashboard =
        dashboard.authorize(async |request| request.headers.get("x-role").is_some_and(|role| role == "operator"));
    let site = Site::new(dashboard).from(None).with("host", "ops.example");
    assert_refused(&site, "You may not see this dashboard").await;
    assert_eq!(
        site.with("x-role", "operator").get("/cache").await.status,
        StatusCode::OK
    );
}

#[tokio::test]
async fn a_hook_may_answer_by_itself() {
    let dashboard = Dashboard::new(&Cache::builder().build());
    let dashboard = dashboard
        .authorize(async |_| axum::response::IntoResponse::into_response(axum::response::Redirect::to("/login")));
    let answer = Site::new(dashboard).get("/cache").await;
    assert_eq!(
        (answer.status, &answer.headers[header::LOCATION]),
        (StatusCode::SEE_OTHER, &"/login".parse().unwrap())
    );
}

#[tokio::test]
async fn whoever_may_only_look_is_offered_nothing_else_and_can_do_nothing_else() {
    let cache = Cache::builder().build();
    let site = Site::new(Dashboard::new(&cache).authorize(async |_| Access::ReadOnly)).own();
    let page = site.get("/cache/invalidate").await.shown();
    assert!(page.contains("You may look") && !page.contains("<form"), "{page}");
    let page = site.get("/cache/confirm?what=resource&name=notes").await.shown();
    assert!(!page.contains("<form"), "{page}");
    let answer = site.post("/cache/invalidate", "what=resource&name=notes").await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    assert_eq!(cache.stats().invalidations, 0);
}

#[tokio::test]
async fn every_answer_keeps_the_browser_from_everything_but_the_dashboard() {
    let (open, shut) = (site(), site().from(None));
    for answer in [
        open.get("/cache").await,
        open.get("/cache/style.css").await,
        shut.get("/cache").await,
    ] {
        let policy = answer.headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'; script-src 'self'"), "{policy}");
        for directive in ["frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'"] {
            assert!(policy.contains(directive), "{policy}");
        }
        assert_eq!(answer.headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
        assert_eq!(answer.headers[header::REFERRER_POLICY], "same-origin");
    }
    assert_eq!(open.get("/cache").await.headers[header::CACHE_CONTROL], "no-store");
}
