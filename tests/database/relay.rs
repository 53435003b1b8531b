//! From a change to what is loaded again.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use cache_runtime::{
    Cache, cached,
    changes::{ChangeSource as _, Relay, RelayState, Taken, Triggers as _},
    with_cache, with_tenant,
};
use cache_testkit::{PostgresServer, RedisServer, patient, reaching, recovered};

use crate::books::Books;

/// Reads that count their loads.
#[derive(Default)]
struct Reader {
    loads: AtomicU64,
}

impl Reader {
    #[cached(resource = "invoices_list", scope(company))]
    async fn invoices(&self, company: i64) -> u64 {
        self.load()
    }

    #[cached(resource = "ledger", scope(company, year))]
    async fn ledger(&self, company: i64, year: i64) -> u64 {
        self.load()
    }

    #[cached(resource = "companies_list")]
    async fn companies(&self) -> u64 {
        self.load()
    }

    #[cached(resource = "rates", scope(currency))]
    async fn rate(&self, currency: &str) -> u64 {
        self.load()
    }

    #[cached(resource = "article", tags(author))]
    async fn article_of(&self, author: i64) -> u64 {
        self.load()
    }

    #[cached(resource = "balance", scope(company))]
    async fn balance(&self, company: i64) -> u64 {
        self.load()
    }

    fn load(&self) -> u64 {
        self.loads.fetch_add(1, Ordering::Relaxed) + 1
    }
}

async fn ready(server: &RedisServer) -> Cache {
    reaching(server, patient()).await
}

/// Runs statements, and waits until so many changes more than before are relayed.
async fn relayed(books: &Books, relay: &Relay, changes: u64, sql: &str) {
    let before = relay.status().relayed;
    books.run(sql).await;
    relay.until(|status| status.relayed >= before + changes).await;
}

#[tokio::test]
async fn a_row_that_somebody_else_changes_shows_in_the_next_read_and_no_other_row_is_loaded_again() {
    let (books, redis) = (Books::open().await, RedisServer::start().unwrap());
    let cache = ready(&redis).await;
    let relay = cache.follow(books.outbox.clone()).start().unwrap();
    relay.until(|status| status.state == RelayState::Active).await;
    let reader = Reader::default();
    with_cache(cache.clone(), async {
        let (one, two) = (reader.invoices(1).await, reader.invoices(2).await);
        let (last_year, this_year) = (reader.ledger(1, 2025).await, reader.ledger(1, 2026).await);
        let (companies, euro, dollar) = (
            reader.companies().await,
            reader.rate("EUR").await,
            reader.rate("USD").await,
        );
        let (of_three, of_four) = (reader.article_of(3).await, reader.article_of(4).await);

        relayed(&books, &relay, 1, "INSERT INTO invoices (company_id) VALUES (1)").await;
        assert_ne!(reader.invoices(1).await, one);
        assert_eq!(reader.invoices(2).await, two);
        assert_ne!(reader.ledger(1, 2026).await, this_year);
        assert_eq!(reader.ledger(1, 2025).await, last_year);
        assert_eq!(reader.companies().await, companies);

        relayed(&books, &relay, 1, "UPDATE companies SET name = 'x' WHERE id = 1").await;
        assert_ne!(reader.companies().await, companies);
        assert_ne!(reader.ledger(1, 2025).await, last_year);

        relayed(&books, &relay, 1, "INSERT INTO accounting.rates VALUES ('EUR', 2)").await;
        assert_ne!(reader.rate("EUR").await, euro);
        assert_eq!(reader.rate("USD").await, dollar);

        relayed(&books, &relay, 1, "INSERT INTO articles VALUES (1, 3)").await;
        assert_ne!(reader.article_of(3).await, of_three);
        assert_eq!(reader.article_of(4).await, of_four);
    })
    .await;
    assert!(cache.stats().relayed_changes >= 4);
    assert_eq!(relay.status().lag, Duration::ZERO);
    assert!(relay.status().last_lag.is_some());
    assert!(!relay.status().is_behind(Duration::from_secs(1)));
    assert!(books.written().await.is_empty(), "nothing is left in the outbox");
    relay.stop().await;
    assert_eq!(relay.status().state, RelayState::Stopped);
    assert!(relay.status().is_behind(Duration::from_secs(1)));
}

#[tokio::test]
async fn a_row_is_its_tenants_and_one_of_nobody_is_everybodys() {
    let (books, redis) = (Books::open().await, RedisServer::start().unwrap());
    let cache = ready(&redis).await;
    let relay = cache.follow(books.outbox.clone()).start().unwrap();
    let reader = Reader::default();
    with_cache(cache.clone(), async {
        let read = async |tenant: &str, company| with_tenant(tenant, reader.invoices(company)).await;
        let (a, b) = (read("a", 1).await, read("b", 1).await);
        relayed(&books, &relay, 1, "INSERT INTO orders VALUES (1, 'a', 1)").await;
        assert_ne!(read("a", 1).await, a);
        assert_eq!(read("b", 1).await, b);
        let a = read("a", 1).await;
        relayed(&books, &relay, 1, "INSERT INTO orders VALUES (2, NULL, 1)").await;
        assert_ne!(read("a", 1).await, a);
        assert_ne!(read("b", 1).await, b);
    })
    .await;
}

#[tokio::test]
async fn rows_without_a_tenant_are_the_relays_and_with_several_tenants_everybodys() {
    let (books, redis) = (Books::open().await, RedisServer::start().unwrap());
    let cache = ready(&redis).await;
    let reader = Reader::default();
    let read = async |tenant: &str| with_cache(cache.clone(), with_tenant(tenant, reader.invoices(1))).await;
    let (a, b) = (read("a").await, read("b").await);
    let relay = cache.follow(books.outbox.clone()).tenant("a").start().unwrap();
    relayed(&books, &relay, 1, "INSERT INTO invoices (company_id) VALUES (1)").await;
    assert_ne!(read("a").await, a);
    assert_eq!(read("b").await, b);
    relay.stop().await;

    let a = read("a").await;
    let relay = cache.follow(books.outbox.clone()).start().unwrap();
    relayed(&books, &relay, 1, "INSERT INTO invoices (company_id) VALUES (1)").await;
    assert_ne!(read("a").await, a);
    assert_ne!(read("b").await, b);
}

#[tokio::test]
async fn loads_from_a_replica_that_lags_are_not_stored_until_it_has_settled() {
    let (books, redis) = (Books::open().await, RedisServer::start().unwrap());
    let cache = ready(&redis).await;
    let relay = cache.follow(books.outbox.clone()).start().unwrap();
    let reader = Reader::default();
    with_cache(cache.clone(), async {
        let (balance, companies) = (reader.balance(1).await, reader.companies().await);
        assert_eq!(reader.balance(1).await, balance);
        relayed(&books, &relay, 1, "INSERT INTO accounts VALUES (1, 7)").await;
        // It may be the old row still.
        let balance = reader.balance(1).await;
        assert_ne!(reader.balance(1).await, balance);
        // What is declared without `settle` is stored.
        let again = reader.companies().await;
        assert_ne!(again, companies);
        assert_eq!(reader.companies().await, again);
    })
    .await;
}

#[tokio::test]
async fn what_another_version_of_the_program_has_declared_is_invalidated_too() {
    let (books, redis) = (Books::open().await, RedisServer::start().unwrap());
    let cache = ready(&redis).await;
    let relay = cache.follow(books.outbox.clone()).start().unwrap();
    let reader = Reader::default();
    let before = with_cache(cache.clone(), reader.invoices(1)).await;
    for stamp in [
        "cachestamp:default:reports",
        "cachestamp:default:report:company-1",
        "cachestamp:~shared:totals",
    ] {
        redis.command::<()>(["SET", stamp, "12345678"]).unwrap();
    }
    let sql = r#"INSERT INTO cache_runtime.sources (id, declaration) VALUES ('of another version', '{
            "table": "invoices", "columns": ["company_id"], "tenant": null, "tags": [],
            "resources": [
                {"name": "report", "shared": false, "scopes": [["company", "company_id"]]},
                {"name": "totals", "shared": true, "scopes": []}
            ]
        }');
        INSERT INTO cache_runtime.outbox (source, key) VALUES ('of another version', '{1}')"#;
    relayed(&books, &relay, 1, sql).await;
    let left: Vec<String> = redis.command(["KEYS", "cachestamp:*:report*"]).unwrap();
    assert_eq!(left, ["cachestamp:default:reports"]);
    let left: Vec<String> = redis.command(["KEYS", "cachestamp:*:totals"]).unwrap();
    assert!(left.is_empty(), "{left:?}");
    // What this version declares for the table, too.
    assert_ne!(with_cache(cache.clone(), reader.invoices(1)).await, before);
}

#[tokio::test]
async fn without_redis_changes_wait_and_none_is_lost() {
    let (books, redis) = (Books::open().await, RedisServer::start().unwrap());
    // One that notices soon.
    let cache = reaching(&redis, Cache::builder()).await;
    let relay = cache.follow(books.outbox.clone()).start().unwrap();
    let reader = Reader::default();
    let before = with_cache(cache.clone(), reader.invoices(1)).await;
    redis.pause();
    books.run("INSERT INTO invoices (company_id) VALUES (1)").await;
    let status = relay
        .until(|status| status.state == RelayState::WithoutStore && status.lag > Duration::ZERO)
        .await;
    assert!(status.is_behind(Duration::from_mins(1)));
    assert_eq!(cache.stats().relay_lag, status.lag);
    redis.resume();
    relay.until(|status| status.relayed > 0).await;
    recovered(&cache).await;
    assert_ne!(with_cache(cache.clone(), reader.invoices(1)).await, before);
}

#[tokio::test]
async fn one_of_two_relays_works_and_the_other_takes_over() {
    let (books, redis) = (Books::open().await, RedisServer::start().unwrap());
    let (first, second) = (ready(&redis).await, ready(&redis).await);
    let poll = Duration::from_millis(20);
    let working = first.follow(books.outbox.clone()).poll_interval(poll).start().unwrap();
    working.until(|status| status.state == RelayState::Active).await;
    let waiting = second.follow(books.outbox.clone()).poll_interval(poll).start().unwrap();
    waiting.until(|status| status.state == RelayState::Standby).await;
    relayed(&books, &working, 1, "INSERT INTO invoices (company_id) VALUES (1)").await;
    assert_eq!(waiting.status().relayed, 0);
    first.close().await;
    waiting.until(|status| status.state == RelayState::Active).await;
    relayed(&books, &waiting, 1, "INSERT INTO invoices (company_id) VALUES (1)").await;
    assert_eq!(working.status().state, RelayState::Stopped);
}

#[tokio::test]
async fn a_database_that_is_restarted_and_connections_that_are_cut_delay_and_lose_nothing() {
    let (books, redis) = (Books::open().await, RedisServer::start().unwrap());
    let cache = ready(&redis).await;
    let relay = cache.follow(books.outbox.clone()).start().unwrap();
    relay.until(|status| status.state == RelayState::Active).await;
    let reader = Reader::default();
    for fault in ["restart", "kill", "cut"] {
        let before = with_cache(cache.clone(), reader.invoices(1)).await;
        match fault {
            "restart" => books.server.restart().unwrap(),
            "kill" => {
                books.server.kill();
                relay.until(|status| status.state == RelayState::WithoutSource).await;
                assert!(relay.status().error.is_some());
                books.server.restart().unwrap();
            }
            _ => {
                let cut =
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'cache-runtime'";
                books.run(cut).await;
            }
        }
        let relayed = relay.status().relayed;
        // The pool has connections that are broken, too.
        while sqlx::query("INSERT INTO invoices (company_id) VALUES (1)")
            .execute(&books.pool)
            .await
            .is_err()
        {}
        relay.until(|status| status.relayed > relayed).await;
        assert_ne!(with_cache(cache.clone(), reader.invoices(1)).await, before, "{fault}");
    }
}

#[tokio::test]
async fn where_nothing_is_installed_the_relay_says_what_to_do_and_goes_on_when_it_is() {
    let books = Books::without_triggers(PostgresServer::start().unwrap()).await;
    let redis = RedisServer::start().unwrap();
    let cache = ready(&redis).await;
    let relay = cache.follow(books.outbox.clone()).start().unwrap();
    let status = relay.until(|status| status.state == RelayState::WithoutSource).await;
    let error = status.error.unwrap();
    assert!(
        error.starts_with("the outbox is not there: install the triggers, or run their migration"),
        "{error}"
    );
    books.outbox.install().await.unwrap();
    relayed(&books, &relay, 1, "INSERT INTO invoices (company_id) VALUES (1)").await;
}

#[tokio::test]
async fn what_is_written_down_while_a_relay_works_waits_for_no_look() {
    let (books, redis) = (Books::open().await, RedisServer::start().unwrap());
    let cache = ready(&redis).await;
    // It never looks by itself.
    let relay = cache
        .follow(books.outbox.clone())
        .poll_interval(Duration::from_hours(24))
        .start()
        .unwrap();
    relay.until(|status| status.state == RelayState::Active).await;
    let write = async |company: i64| {
        for _ in 0..50 {
            let insert = sqlx::query("INSERT INTO invoices (company_id) VALUES ($1)").bind(company);
            insert.execute(&books.pool).await.unwrap();
        }
    };
    tokio::join!(write(1), write(2), write(3), write(4));
    relay.until(|status| status.relayed >= 200).await;
    assert!(books.written().await.is_empty(), "nothing is left in the outbox");
}

#[tokio::test]
async fn without_notifications_changes_are_found_by_looking() {
    let books = Books::open().await;
    let redis = RedisServer::start().unwrap();
    let outbox = books.outbox.clone().notify(false);
    outbox.install().await.unwrap();
    let cache = ready(&redis).await;
    let relay = cache
        .follow(outbox)
        .poll_interval(Duration::from_millis(20))
        .start()
        .unwrap();
    relay.until(|status| status.state == RelayState::Active).await;
    relayed(&books, &relay, 1, "INSERT INTO invoices (company_id) VALUES (1)").await;
}

#[tokio::test]
async fn a_change_that_cannot_be_written_down_fails_no_statement_and_all_that_is_cached_of_tables_is_loaded_again() {
    let (books, redis) = (Books::open().await, RedisServer::start().unwrap());
    let cache = ready(&redis).await;
    let relay = cache.follow(books.outbox.clone()).start().unwrap();
    relay.until(|status| status.state == RelayState::Active).await;
    let reader = Reader::default();
    let before = with_cache(cache.clone(), reader.invoices(1)).await;
    books
        .run("ALTER TABLE cache_runtime.outbox ADD COLUMN wrong text NOT NULL")
        .await;
    relayed(&books, &relay, 1, "INSERT INTO invoices (company_id) VALUES (1)").await;
    assert_ne!(with_cache(cache.clone(), reader.invoices(1)).await, before);
    assert!(
        books.server.log().contains("is not written down for the cache"),
        "{}",
        books.server.log()
    );
}

#[tokio::test]
async fn a_change_that_cannot_be_written_down_is_heard_of_without_notifications_of_the_others() {
    let books = Books::open().await;
    let redis = RedisServer::start().unwrap();
    let outbox = books.outbox.clone().notify(false);
    outbox.install().await.unwrap();
    let cache = ready(&redis).await;
    let relay = cache.follow(outbox).start().unwrap();
    relay.until(|status| status.state == RelayState::Active).await;
    books
        .run("ALTER TABLE cache_runtime.outbox ADD COLUMN wrong text NOT NULL")
        .await;
    relayed(&books, &relay, 1, "INSERT INTO invoices (company_id) VALUES (1)").await;
}

#[tokio::test]
async fn a_relay_that_stands_by_is_not_kept_busy_by_a_change_that_could_not_be_written_down() {
    let books = Books::open().await;
    let (mut working, mut waiting) = (books.outbox.clone(), books.outbox.clone());
    assert!(matches!(working.take().await.unwrap(), Taken::Changes(_)));
    assert!(matches!(waiting.take().await.unwrap(), Taken::Standby(_)));
    books.run("NOTIFY cache_runtime, 'lost'").await;
    waiting.wait(Duration::from_mins(1)).await.unwrap();
    assert!(matches!(waiting.take().await.unwrap(), Taken::Standby(_)));
    let (began, pause) = (Instant::now(), Duration::from_millis(50));
    waiting.wait(pause).await.unwrap();
    assert!(began.elapsed() >= pause, "it waits until something happens");
    working.stand_down().await.unwrap();
    let Taken::Changes(changes) = waiting.take().await.unwrap() else {
        panic!("nobody has the work")
    };
    assert!(!changes.is_empty(), "all that may have changed");
}
