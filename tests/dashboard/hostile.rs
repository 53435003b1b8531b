//! Keys, tenants, arguments and values that others choose: they are shown, and do nothing.

use axum::http::StatusCode;
use cache_runtime::with_tenant;
use cache_testkit::isolated;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use proptest::prelude::*;

use crate::{service::note, site::Site};

pub(crate) const HOSTILE: [&str; 8] = [
    "<script>document.title='owned'</script>",
    "\"><img src=x onerror=\"document.title='owned'\">",
    "'; document.title='owned'; '",
    "</textarea></title></style></pre><script>document.title='owned'</script>",
    "javascript:document.title='owned'",
    "line\r\nSet-Cookie: owned=1\r\n\r\ndata: owned\n\nevent: owned",
    "\u{202e}desrever\u{0}\u{1b}[31m\u{7}",
    "{{7*7}}${7*7}<!-- --><![CDATA[ &lt;b&gt;",
];

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

/// Nothing of what was given has become a part of the page.
#[track_caller]
fn assert_harmless(page: &str) {
    let lower = without_fields(page).to_lowercase();
    assert_eq!(lower.matches("<script").count(), 1, "its own alone: {page}");
    for made in [
        "<img",
        "onerror=\"",
        "<!--",
        "<![cdata",
        "href=\"javascript",
        "\r",
        "\u{202e}",
        "\u{0}",
        "\u{1b}",
    ] {
        assert!(!lower.contains(made), "{made:?} in {page}");
    }
}

/// What is written in a field stays there as it was written.
fn without_fields(page: &str) -> String {
    let mut left = String::new();
    for (i, part) in page.split(" value=\"").enumerate() {
        let rest = part.split_once('"').map_or("", |(_, rest)| rest);
        left += if i == 0 { part } else { rest };
    }
    let (before, rest) = left.split_once("<textarea").unwrap_or((&left, ""));
    let (_, after) = rest.split_once("</textarea>").unwrap_or_default();
    format!("{before}{after}")
}

#[tokio::test]
async fn what_is_stored_under_hostile_names_is_shown_and_does_nothing() {
    isolated(async |cache| {
        let long = "x".repeat(100_000);
        for text in HOSTILE.into_iter().chain([&*long]) {
            with_tenant(text, note(text, text)).await;
        }
        let site = Site::of(&cache).own();
        for page in ["/cache", "/cache/hot", "/cache/resource?name=notes"] {
            assert_harmless(&site.get(page).await.shown());
        }
        let list = site.get("/cache/entries").await.shown();
        assert_harmless(&list);
        let links: Vec<_> = list
            .split("href=\"entry?key=")
            .skip(1)
            .map(|link| link.split('"').next().unwrap())
            .collect();
        assert_eq!(links.len(), HOSTILE.len() + 1);
        for key in links {
            let page = site.get(&format!("/cache/entry?key={key}")).await.shown();
            assert_harmless(&page);
        }
    })
    .await;
}

#[tokio::test]
async fn hot_arguments_that_are_hostile_do_nothing() {
    isolated(async |cache| {
        let site = Site::of(&cache);
        site.get("/cache/hot").await.shown();
        for text in HOSTILE {
            for _ in 0..200 {
                with_tenant(text, note(text, text)).await;
            }
        }
        let page = site.get("/cache/hot").await.shown();
        assert!(page.matches("<tr>").count() > HOSTILE.len(), "{page}");
        assert_harmless(&page);
    })
    .await;
}

#[tokio::test]
async fn parameters_that_are_hostile_do_nothing() {
    isolated(async |cache| {
        let site = Site::of(&cache).own();
        for text in HOSTILE {
            let text = encoded(text);
            for page in [
                format!("/cache/entries?tenant={text}&resource={text}"),
                format!("/cache/entry?key={text}"),
                format!("/cache/resource?name={text}"),
                format!("/cache/hot?resource={text}"),
                format!("/cache/invalidate?what=resource&name={text}&tenant={text}&scopes={text}"),
                format!("/cache/confirm?what=resource&name={text}&tenant={text}&scopes={text}"),
                format!("/cache/confirm?what=resource&name=notes&tenant={text}&scopes=title%3D{text}"),
                format!("/cache/confirm?what=tag&name=author&value={text}&tenant={text}"),
                format!("/cache/confirm?what=tenant&tenant={text}"),
            ] {
                let answer = site.get(&page).await;
                assert!(!answer.status.is_server_error(), "{page}");
                assert!(!answer.headers.contains_key("owned"));
                assert_harmless(&answer.text);
            }
        }
    })
    .await;
}

#[tokio::test]
async fn a_form_that_is_too_large_or_no_form_is_refused() {
    isolated(async |cache| {
        let site = Site::of(&cache).own();
        let large = format!("what=resource&name={}", "x".repeat(1 << 20));
        assert_eq!(
            site.post("/cache/invalidate", &large).await.status,
            StatusCode::PAYLOAD_TOO_LARGE
        );
        assert!(
            site.post("/cache/invalidate", "what=nothing")
                .await
                .status
                .is_client_error()
        );
        assert!(site.get("/cache/confirm?what=nothing").await.status.is_client_error());
    })
    .await;
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_text_breaks_out_of_its_place(text in "\\PC{0,40}|[<>\"'&/=\\x00-\\x1f]{0,20}") {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(isolated(async |cache| {
            with_tenant(&text, note(&text, &text)).await;
            let site = Site::of(&cache);
            let list = site.get("/cache/entries").await.shown();
            assert_harmless(&list);
            let query = encoded(&text);
            let page = site.get(&format!("/cache/confirm?what=resource&name=notes&tenant={query}")).await;
            assert_harmless(&page.text);
        }));
    }
}
