//! The runtime on a real server: keys, connections, batches, two caches side by side.

use cache_runtime::{
    Cache, Codec,
    Outcome::{Hit, Miss},
    cached, invalidates,
    store::RedisConfig,
    with_cache, with_tenant,
};
use cache_testkit::{
    LoadCounter, PATIENCE, RedisServer, assert_loads, expect_outcomes, isolated_in, isolated_on, patient, reaching,
    until,
};
use futures_util::future::join_all;
use serde::Serialize;
use support::{at, get, keys};
use tokio::task::JoinSet;

#[derive(Debug, Clone, Serialize)]
struct Filter {
    search: Option<String>,
    minimum: f64,
    tags: Vec<&'static str>,
}

#[cached(resource = "invoices_list", scope(company))]
async fn invoices(company: i64, filter: &Filter, page: u32, username: &str) -> u32 {
    page
}

#[cached(resource = "rows")]
async fn row(id: u64) -> String {
    format!("row {id}").repeat(50)
}

#[cached(resource = "exchange_rates", skip(loads))]
async fn rate(currency: &str, loads: &LoadCounter) -> u64 {
    loads.record()
}

#[invalidates("exchange_rates")]
async fn publish_rates() {}

#[invalidates("invoices_list"(company))]
async fn bill(company: i64) {}

fn filter() -> Filter {
    Filter {
        search: Some("Zoë \"&\" Söhne\n".to_owned()),
        minimum: 1e16,
        tags: vec!["a", "b"],
    }
}

/// The hashes are Python's: `hashlib.md5(json.dumps(params, sort_keys=True).encode()).hexdigest()[:12]` of
/// `{"page": 2, "company": 123, "filter": {"search": "Zoë \"&\" Söhne\n", "minimum": 1e16, "tags": ["a", "b"]}}`
/// and of `{"id": 7}`.
#[tokio::test]
async fn entries_stand_under_the_keys_that_python_computes() {
    let server = RedisServer::start().unwrap();
    isolated_on(&server, async |_| {
        invoices(123, &filter(), 2, "ana").await;
        with_tenant("client-a", row(7)).await;
        rate("EUR", &LoadCounter::new()).await;
        assert_eq!(
            keys(&server, "cache:*"),
            [
                "cache:client-a:rows:02bdf15d4b42",
                "cache:default:invoices_list:company-123:44b3799c572e",
                "cache:~shared:exchange_rates:6ef8ea097ed5",
            ]
        );
        assert_eq!(
            keys(&server, "cachestamp:*"),
            [
                "cachestamp:client-a:rows",
                "cachestamp:default:invoices_list",
                "cachestamp:default:invoices_list:company-123",
                "cachestamp:~shared:exchange_rates",
            ]
        );
    })
    .await;
}

#[tokio::test]
async fn the_payload_of_an_entry_is_readable_behind_the_header_where_it_is_json() {
    let server = RedisServer::start().unwrap();
    let cache = reaching(&server, Cache::builder().codec(Codec::Json)).await;
    isolated_in(cache, async |_| {
        row(7).await;
        let entry: Vec<u8> = get(&server, &keys(&server, "cache:*")[0]);
        let text = String::from_utf8_lossy(&entry);
        assert!(text.starts_with("CRE") && text.ends_with("row 7\""), "{text}");
    })
    .await;
}

#[tokio::test]
async fn an_entry_expires_with_its_time_to_live() {
    let server = RedisServer::start().unwrap();
    isolated_on(&server, async |_| {
        row(7).await;
        let left: i64 = server.command(["PTTL", &keys(&server, "cache:*")[0]]).unwrap();
        assert!((1..=60_000).contains(&left), "{left} ms");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_concurrent_readers_are_each_given_their_own_value() {
    let server = RedisServer::start().unwrap();
    isolated_on(&server, async |cache| {
        for expected in [Miss, Hit, Hit] {
            let mut readers = JoinSet::new();
            for id in 0..1000 {
                readers.spawn(with_cache(cache.clone(), async move {
                    let value = expect_outcomes(&[expected], row(id)).await;
                    assert_eq!(value, format!("row {id}").repeat(50));
                }));
            }
            readers.join_all().await;
        }
    })
    .await;
}

/// How many `MGET`s the server has been sent since its statistics were reset.
fn mgets(server: &RedisServer) -> u64 {
    let statistics: String = server.command(["INFO", "commandstats"]).expect("the server answers");
    let calls = statistics.split("cmdstat_mget:calls=").nth(1).unwrap_or("0");
    let digits: String = calls.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().expect("a count")
}

#[tokio::test]
async fn readers_that_come_at_the_same_time_share_commands() {
    let server = RedisServer::start().unwrap();
    isolated_on(&server, async |cache| {
        let read_all = async || {
            let readers = (0..1000).map(|id| with_cache(cache.clone(), row(id)));
            join_all(readers).await;
        };
        read_all().await;
        for _ in 0..3 {
            server.command::<()>(["CONFIG", "RESETSTAT"]).unwrap();
            let before = cache.stats().hits;
            read_all().await;
            assert_eq!(cache.stats().hits - before, 1000);
            // One for each connection that is free, and for each 256 of those who wait.
            let mgets = mgets(&server);
            assert!(mgets <= 16, "{mgets} commands");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_that_are_cancelled_half_way_harm_nobody() {
    let server = RedisServer::start().unwrap();
    isolated_on(&server, async |cache| {
        for id in 0..100 {
            row(id).await;
        }
        for round in 0..20 {
            let mut readers = JoinSet::new();
            for id in 0..100 {
                let reader = with_cache(cache.clone(), async move { (id, row(id).await) });
                let handle = readers.spawn(reader);
                if (id + round) % 3 == 0 {
                    handle.abort();
                }
            }
            while let Some(read) = readers.join_next().await {
                if let Ok((id, value)) = read {
                    assert_eq!(value, format!("row {id}").repeat(50));
                }
            }
        }
        assert!(cache.is_available());
    })
    .await;
}

#[tokio::test]
async fn no_more_connections_are_opened_than_configured() {
    let server = RedisServer::start().unwrap();
    let config = at(&server).max_connections(3);
    let cache = Cache::builder().redis(config).build();
    assert!(cache.ready(PATIENCE).await);
    with_cache(cache.clone(), async {
        for id in 0..200 {
            row(id).await;
        }
    })
    .await;
    let clients: String = server.command(["CLIENT", "LIST"]).unwrap();
    // One more is the test's own.
    assert_eq!(clients.lines().count(), 3 + 1, "{clients}");
}

#[tokio::test]
async fn a_mutation_in_one_process_is_seen_by_the_next_read_in_another() {
    let server = RedisServer::start().unwrap();
    // A sweep that has read an entry before it is filled again removes the new one: a miss, where a hit is expected here.
    let process = async || reaching(&server, patient().sweep(false)).await;
    let (one, other) = (process().await, process().await);
    let loads = LoadCounter::new();
    for round in 0..100 {
        with_cache(one.clone(), rate("EUR", &loads)).await;
        with_cache(other.clone(), expect_outcomes(&[Hit], rate("EUR", &loads))).await;
        with_cache(one.clone(), publish_rates()).await;
        let value = with_cache(other.clone(), expect_outcomes(&[Miss], rate("EUR", &loads))).await;
        assert_eq!(value, 2 * round + 2);
        with_cache(other.clone(), publish_rates()).await;
    }
}

#[tokio::test]
async fn a_sweep_removes_the_dead_entries_of_its_scope_and_nothing_else() {
    let server = RedisServer::start().unwrap();
    isolated_on(&server, async |cache| {
        let () = server
            .command(["SET", "cache:default:invoices_list:company-1:foreign", "not ours"])
            .unwrap();
        let () = server.command(["SET", "session:1", "kept"]).unwrap();
        for page in 0..300 {
            invoices(1, &filter(), page, "ana").await;
            invoices(12, &filter(), page, "ana").await;
        }
        bill(1).await;
        invoices(1, &filter(), 0, "ana").await;
        until("the dead ones are swept", async || cache.stats().swept >= 299).await;
        assert_eq!(
            keys(&server, "cache:default:invoices_list:company-1:*").len(),
            2,
            "the live one and the foreign one"
        );
        assert_eq!(keys(&server, "cache:default:invoices_list:company-12:*").len(), 300);
        assert_eq!(keys(&server, "session:*").len(), 1);
        expect_outcomes(&[Hit], invoices(1, &filter(), 0, "ana")).await;
    })
    .await;
}

#[tokio::test]
async fn a_unix_socket_and_a_database_number_work() {
    let server = RedisServer::builder().with_unix_socket().start().unwrap();
    let loads = LoadCounter::new();
    isolated_on(&server, async |_| {
        rate("EUR", &loads).await;
        expect_outcomes(&[Hit], rate("EUR", &loads)).await;
    })
    .await;
    let config = RedisConfig::new(&format!("{}?db=3", server.url())).unwrap();
    let cache = Cache::builder().redis(config).build();
    assert!(cache.ready(PATIENCE).await);
    with_cache(cache, expect_outcomes(&[Miss], rate("EUR", &loads))).await;
    assert_loads(&loads, 2);
}

#[tokio::test]
async fn the_smallest_acl_is_enough_and_no_output_shows_the_password() {
    let server = RedisServer::start().unwrap();
    let acl = "on >hush-hush resetkeys ~cache:* ~cachestamp:* -@all +get +mget +set +unlink +scan +getrange";
    let words = ["ACL", "SETUSER", "service"].into_iter().chain(acl.split(' '));
    let () = server.command(words).unwrap();
    let url = server.url().replace("redis://", "redis://service:hush-hush@");
    let config = RedisConfig::new(&url).unwrap();
    assert!(!format!("{config:?}").contains("hush"));
    let cache = Cache::builder().redis(config).build();
    assert!(
        cache.ready(PATIENCE).await,
        "the rights are enough to connect and probe"
    );
    assert!(!format!("{cache:?}").contains("hush"));
    let loads = LoadCounter::new();
    with_cache(cache.clone(), async {
        rate("EUR", &loads).await;
        expect_outcomes(&[Hit], rate("EUR", &loads)).await;
        publish_rates().await;
        expect_outcomes(&[Miss], rate("EUR", &loads)).await;
        publish_rates().await;
        until("it is swept", async || cache.stats().swept >= 1).await;
    })
    .await;
}
