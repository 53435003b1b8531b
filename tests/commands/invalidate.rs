//! `invalidate`: what becomes unusable for the service, and what a dry run says of it.

use std::pin::Pin;

use cache_runtime::{
    Outcome::{Hit, Miss, StaleHit},
    with_cache, with_tenant,
};
use cache_testkit::expect_outcomes;
use serde_json::{Value, json};
use support::keys;

use crate::service::{Service, article, invoices, quote, rate, report};

type Calls = Pin<Box<dyn Future<Output = ()>>>;

fn stamps(outcome: &Value) -> Vec<&str> {
    let stamps = outcome["stamps"].as_array().expect("stamps");
    stamps.iter().map(|stamp| stamp.as_str().expect("a text")).collect()
}

#[tokio::test]
async fn a_dry_run_names_the_stamps_and_counts_the_entries_and_changes_nothing() {
    let service = Service::start().await;
    let before = keys(&service.server, "*");
    for (arguments, expected, entries) in [
        (
            &["invoices", "--tenant", "acme"][..],
            &["cachestamp:acme:invoices"][..],
            4,
        ),
        (
            &["invoices", "--tenant", "acme", "--scope", "company=2"],
            &["cachestamp:acme:invoices:company-2"],
            2,
        ),
        (&["re*"], &["cachestamp:default:reports"], 1),
        (
            &["reports", "--all-tenants"],
            &["cachestamp:acme:reports", "cachestamp:default:reports"],
            2,
        ),
        (
            &["--tenant", "acme"],
            &[
                "cachestamp:acme:invoices",
                "cachestamp:acme:quotes",
                "cachestamp:acme:reports",
            ],
            6,
        ),
        (&["rates", "--shared"], &["cachestamp:~shared:rates"], 1),
        (&["nothing"], &["cachestamp:default:nothing"], 0),
        (
            &["quotes", "--tenant", "acme", "--soft"],
            &["cachestamp:acme:quotes:~soft"],
            1,
        ),
    ] {
        let outcome = service.json(&[&["invalidate", "--dry-run"], arguments].concat());
        assert_eq!(stamps(&outcome), expected, "{arguments:?}");
        assert_eq!(outcome["entries"], json!(entries), "{arguments:?}");
    }
    assert_eq!(keys(&service.server, "*"), before);
    service.cache.close().await;
}

#[tokio::test]
async fn what_is_invalidated_is_loaded_again_by_the_service_and_the_rest_is_not() {
    let service = Service::start().await;
    let (printed, code) = service.run(&["invalidate", "invoices", "--tenant", "acme", "--scope", "company=1"]);
    assert_eq!(
        (printed.as_str(), code),
        (
            "cachestamp:acme:invoices:company-1\n1 stamp removed. Nothing that was loaded before is returned any more.\n",
            0
        )
    );
    let calls = async {
        with_tenant("acme", async {
            expect_outcomes(&[Miss], invoices(1, "a")).await;
            expect_outcomes(&[Hit], invoices(2, "a")).await;
        })
        .await;
        expect_outcomes(&[Hit], with_tenant("default", invoices(1, "a"))).await;
    };
    with_cache(service.cache.clone(), calls).await;
    service.cache.close().await;
}

#[tokio::test]
async fn a_tenant_a_tag_and_what_tenants_share_are_invalidated_too() {
    let service = Service::start().await;
    let of_acme = |calls: Calls| with_cache(service.cache.clone(), with_tenant("acme", calls));
    of_acme(Box::pin(async {
        article(1, 7).await;
    }))
    .await;
    for (arguments, code) in [
        (&["invalidate", "--tag", "author=7", "--tenant", "acme"][..], 0),
        (&["invalidate", "rates", "--shared"], 0),
        (&["invalidate", "quotes", "--tenant", "acme", "--soft"], 0),
    ] {
        let (printed, found) = service.run(arguments);
        assert_eq!(found, code, "{printed}");
    }
    of_acme(Box::pin(async {
        expect_outcomes(&[Miss], article(1, 7)).await;
        expect_outcomes(&[Miss], rate()).await;
        expect_outcomes(&[StaleHit], quote(1)).await;
        expect_outcomes(&[Hit], report(1)).await;
    }))
    .await;
    assert_eq!(service.run(&["invalidate", "--tenant", "acme"]).1, 0);
    of_acme(Box::pin(async {
        expect_outcomes(&[Miss], report(1)).await;
        expect_outcomes(&[Miss], article(1, 7)).await;
    }))
    .await;
    service.cache.close().await;
}

#[tokio::test]
async fn nothing_is_invalidated_without_a_word_of_what() {
    let service = Service::start().await;
    let (said, code) = service.run(&["invalidate"]);
    assert!(code == 2 && said.contains("say what is to be invalidated"), "{said}");
    let (said, code) = service.run(&["invalidate", "invoices", "--tag", "author=7"]);
    assert!(code == 2 && said.contains("cannot be used with"), "{said}");
    service.cache.close().await;
}
