//! `ls`, `get`, `stats`, `top`: what is there, and what it is.

use std::pin::Pin;

use cache_runtime::{cached, with_cache};
use cache_testkit::{PATIENCE, RedisServer, patient, until};
use serde::Deserialize;
use serde_json::{Value, json};
use support::at;

use crate::{
    cache_resources,
    service::{Service, cachectl, outcome, output},
};

fn keys(listing: &Value) -> Vec<String> {
    let keys = listing["keys"].as_array().expect("keys");
    let text = |key: &Value| key["key"].as_str().expect("a text").to_owned();
    keys.iter().map(text).collect()
}

#[tokio::test]
async fn ls_lists_what_is_meant_and_whether_a_read_would_take_it() {
    let service = Service::start().await;
    for (arguments, count) in [
        (&["ls"][..], 13),
        (&["ls", "--tenant", "acme"], 6),
        (&["ls", "--shared"], 1),
        (&["ls", "--resource", "invoices", "--scope", "company=2"], 4),
        (&["ls", "--resource", "re*"], 2),
        (&["ls", "--pattern", "*:company-1:*", "--tenant", "acme"], 2),
        (&["ls", "--tenant", "nobody"], 0),
        (&["ls", "--limit", "5"], 5),
        (&["ls", "--stamps", "--resource", "invoices", "--tenant", "acme"], 3),
    ] {
        let listing = service.json(arguments);
        assert_eq!(keys(&listing).len(), count, "{arguments:?}: {listing}");
        assert_eq!(listing["is_complete"], json!(count != 5), "{arguments:?}");
    }
    let listing = service.json(&["ls", "--tenant", "acme", "--sort", "size"]);
    let first = &listing["keys"][0];
    assert!(first["size"].as_u64() > Some(1500), "{first}");
    assert_eq!(
        (&first["kind"], &first["resource"], &first["state"]),
        (&json!("entry"), &json!("invoices"), &json!("fresh"))
    );
    for time in ["time_left_ms", "ttl_left_ms"] {
        let left = first[time].as_u64().or(first["head"][time].as_u64());
        assert!(left > Some(500_000) && left <= Some(600_000), "{first}");
    }
    let () = service
        .server
        .command(["DEL", "cachestamp:acme:invoices:company-1"])
        .unwrap();
    let (shown, code) = service.run(&["ls", "--tenant", "acme"]);
    assert_eq!(
        (
            code,
            shown.matches(" fresh").count(),
            shown.matches(" invalidated").count()
        ),
        (0, 4, 2),
        "{shown}"
    );
    let summary = service.json(&["ls", "--summary"]);
    let invoices = summary["resources"]
        .as_array()
        .and_then(|resources| resources.iter().find(|row| row["resource"] == "invoices"))
        .expect("a row");
    assert_eq!((&invoices["entries"], &invoices["invalidated"]), (&json!(8), &json!(2)));
    service.cache.close().await;
}

#[tokio::test]
async fn get_shows_an_entry_and_why_a_read_would_not_take_it() {
    let service = Service::start().await;
    let key = keys(&service.json(&["ls", "--resource", "reports", "--tenant", "acme"])).remove(0);
    let report = service.json(&["get", &key]);
    assert_eq!((&report["state"], &report["tenant"]), (&json!("fresh"), &json!("acme")));
    assert_eq!(report["payload"]["text"], json!("1"));
    assert_eq!(service.run(&["get", &key, "--payload"]), ("1\n".to_owned(), 0));
    let () = service.server.command(["DEL", "cachestamp:acme:reports"]).unwrap();
    let (shown, code) = service.run(&["get", &key]);
    assert!(
        code == 0
            && shown.contains("state      invalidated")
            && shown.contains("the stamp cachestamp:acme:reports is gone: it was invalidated, or evicted"),
        "{shown}"
    );
    assert_eq!(
        service.run(&["get", "cache:acme:reports:000000000000"]),
        ("Nothing stands under cache:acme:reports:000000000000.\n".to_owned(), 1)
    );
    service.cache.close().await;
}

#[tokio::test]
async fn get_knows_a_soft_invalidation_and_a_tag_from_what_stands_there() {
    let service = Service::start().await;
    service.cache.invalidate("quotes").tenant("acme").soft().await.unwrap();
    let of = |resource| keys(&service.json(&["ls", "--resource", resource, "--tenant", "acme"])).remove(0);
    // Of a soft resource that it knows nothing of, with no soft stamp left.
    assert_eq!(service.json(&["get", &of("quotes")])["state"], json!("unsure"));
    let () = service
        .server
        .command(["SET", "cachestamp:acme:quotes:~soft", "0123456789abcdef"])
        .unwrap();
    assert_eq!(service.json(&["get", &of("quotes")])["state"], json!("stale"));
    let call = cache_runtime::with_tenant("acme", crate::service::article(1, 7));
    with_cache(service.cache.clone(), call).await;
    assert_eq!(service.json(&["get", &of("articles")])["state"], json!("fresh"));
    service.cache.invalidate_tag("author", 7).tenant("acme").await.unwrap();
    assert_eq!(service.json(&["get", &of("articles")])["state"], json!("invalidated"));
    service.cache.close().await;
}

#[tokio::test]
async fn stats_counts_keys_and_bytes_of_each_resource_and_tenant() {
    let service = Service::start().await;
    let statistics = service.json(&["stats"]);
    let rows = statistics["resources"].as_array().expect("rows");
    let entries = |tenant: &str, resource: &str| {
        let row = rows
            .iter()
            .find(|row| row["tenant"] == tenant && row["resource"] == resource);
        row.expect("a row")["entries"].as_u64()
    };
    assert_eq!(entries("acme", "invoices"), Some(4));
    assert_eq!(entries("~shared", "rates"), Some(1));
    let kinds = statistics["kinds"].as_array().expect("kinds");
    let keys = |kind: &str| {
        kinds
            .iter()
            .find(|row| row["kind"] == kind)
            .map(|row| row["keys"].clone())
    };
    assert_eq!((keys("entry"), keys("soft_stamp")), (Some(json!(13)), Some(json!(2))));
    let (shown, _) = service.run(&["stats", "--tenant", "acme"]);
    assert!(shown.contains("TENANT") && !shown.contains("default"), "{shown}");
    service.cache.close().await;
}

/// The arguments of `popular`.
#[derive(Deserialize)]
struct Popular {
    number: u32,
}

#[cached(resource = "warm")]
async fn popular(number: u32) -> u32 {
    number
}

type Calling = Pin<Box<dyn Future<Output = ()> + Send>>;

#[tokio::test]
async fn top_shows_the_calls_that_are_made_most_and_the_largest_entries() {
    let service = Service::start().await;
    let call = |key: Popular| -> Calling {
        Box::pin(async move {
            popular(key.number).await;
        })
    };
    let warming = service.cache.warm(&cache_resources::warm, call);
    warming.run().await;
    let calls = async {
        for _ in 0..400 {
            popular(7).await;
        }
    };
    with_cache(service.cache.clone(), calls).await;
    // Saves what was counted.
    service.cache.close().await;
    let top = service.json(&["top", "--limit", "3"]);
    assert_eq!(top["calls"][0]["arguments"], json!("{\"number\": 7}"));
    assert_eq!(top["calls"][0]["function"], json!("popular"));
    assert_eq!(top["largest"].as_array().map(Vec::len), Some(3));
    assert_eq!(top["resources"][0]["resource"], json!("invoices"));
    let (shown, code) = service.run(&["top"]);
    assert!(
        code == 0 && shown.contains("popular") && shown.contains("INVALIDATED"),
        "{shown}"
    );
}

#[tokio::test]
async fn a_namespace_and_an_address_can_be_given_in_place_of_the_environment() {
    let server = RedisServer::start().unwrap();
    let config = at(&server).namespace("billing").unwrap();
    let cache = patient().redis(config).build();
    assert!(cache.ready(PATIENCE).await);
    with_cache(cache.clone(), crate::service::report(1)).await;
    cache.close().await;
    let list = |namespace: &str| {
        let arguments = ["--url", server.url(), "--namespace", namespace, "ls", "--json"];
        let (printed, code) = outcome(&output(&mut cachectl(&arguments)));
        assert_eq!(code, 0, "{printed}");
        keys(&serde_json::from_str(&printed).expect("JSON"))
    };
    let listed = list("billing");
    assert!(
        listed.len() == 1 && listed[0].starts_with("billing:cache:"),
        "{listed:?}"
    );
    assert_eq!(list("shop"), [] as [&str; 0]);
}

#[tokio::test]
async fn what_is_looked_at_on_a_server_that_takes_no_writes_is_shown_all_the_same() {
    let service = Service::start().await;
    service.cache.close().await;
    let port = service.server.port().unwrap().to_string();
    let at_once = ["CONFIG", "SET", "repl-diskless-sync-delay", "0"];
    let () = service.server.command(at_once).unwrap();
    let replica = RedisServer::builder()
        .config("replicaof", format!("127.0.0.1 {port}"))
        .start()
        .unwrap();
    until("the replica has the keys", async || {
        replica.command::<u64>(["DBSIZE"]).is_ok_and(|keys| keys > 20)
    })
    .await;
    let mut command = cachectl(&["--url", replica.url(), "ls", "--json"]);
    let (printed, code) = outcome(&output(&mut command));
    assert_eq!(code, 0, "{printed}");
    assert_eq!(keys(&serde_json::from_str(&printed).expect("JSON")).len(), 13);
}
