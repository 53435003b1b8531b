//! What real servers do besides answering: run full, evict, load, run scripts, refuse clients, or be something else.

use std::{
    io::Write as _,
    net::TcpListener,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
};

use cache_runtime::{
    Cache, Invalidated,
    Outcome::{Bypass, Hit, Miss},
    cached, invalidates, observe,
};
use cache_testkit::{RedisServer, expect_outcomes, isolated_in, isolated_on, redis::Value};
use support::{at, through_a_proxy};
use tokio::task::spawn_blocking;

use crate::answers::{answer, until_hit, until_noticed};

/// A number that changes, and that is as long as a page.
#[derive(Default)]
struct Ledger(AtomicU64);

impl Ledger {
    #[cached(resource = "totals", scope(account))]
    async fn total(&self, account: u64) -> (u64, String) {
        (
            self.0.load(SeqCst),
            "padding ".repeat(100 + usize::try_from(account).expect("a small number")),
        )
    }

    #[invalidates("totals"(account))]
    async fn book(&self, account: u64) -> u64 {
        self.0.fetch_add(1, SeqCst) + 1
    }
}

fn command(server: &RedisServer, words: &[&str]) {
    let _: Value = server.command(words).expect("the server takes this command");
}

#[tokio::test]
async fn a_full_server_is_read_and_takes_invalidations_and_no_fills() {
    let server = RedisServer::start().unwrap();
    isolated_on(&server, async |cache| {
        let ledger = Ledger::default();
        ledger.total(1).await;
        answer(1).await;
        command(&server, &["CONFIG", "SET", "maxmemory-policy", "noeviction"]);
        command(&server, &["CONFIG", "SET", "maxmemory", "1"]);
        expect_outcomes(&[Hit], ledger.total(1)).await;
        expect_outcomes(&[Hit], answer(1)).await;
        ledger.book(1).await;
        assert_eq!(cache.invalidate("answers").await, Ok(Invalidated::Acknowledged));
        for _ in 0..3 {
            assert_eq!(expect_outcomes(&[Miss], ledger.total(1)).await.0, 1);
        }
        command(&server, &["CONFIG", "SET", "maxmemory", "0"]);
        ledger.total(1).await;
        expect_outcomes(&[Hit], ledger.total(1)).await;
    })
    .await;
}

#[tokio::test]
async fn a_server_that_evicts_anything_brings_nothing_old_back() {
    const ACCOUNTS: u64 = 40;
    let server = RedisServer::start().unwrap();
    isolated_on(&server, async |_| {
        let ledger = Ledger::default();
        for account in 0..ACCOUNTS {
            ledger.total(account).await;
        }
        let info: String = server.command(["INFO", "memory"]).unwrap();
        let used = info.lines().find_map(|line| line.strip_prefix("used_memory:"));
        let used: u64 = used.unwrap().trim().parse().unwrap();
        // Room for some of these values, and not for all.
        let limit = (used - 20_000).to_string();
        command(&server, &["CONFIG", "SET", "maxmemory-policy", "allkeys-random"]);
        command(&server, &["CONFIG", "SET", "maxmemory", &limit]);
        for round in 0..300 {
            let account = round % ACCOUNTS;
            let booked = ledger.book(account).await;
            for _ in 0..3 {
                assert_eq!(ledger.total(account).await.0, booked, "round {round}");
            }
        }
    })
    .await;
    let stats: String = server.command(["INFO", "stats"]).unwrap();
    assert!(!stats.contains("evicted_keys:0\r"), "this server had to evict");
}

#[tokio::test]
async fn a_server_that_loads_its_file_is_used_when_it_has() {
    let server = RedisServer::builder()
        .config("key-load-delay", "500")
        .config("loading-process-events-interval-bytes", "1024")
        .start();
    let server = Arc::new(server.unwrap());
    let fill = "for key = 1, 2000 do redis.call('SET', 'filler:' .. key, 'filler') end";
    command(&server, &["EVAL", fill, "0"]);
    command(&server, &["SAVE"]);
    isolated_in(Cache::builder().redis(at(&server)).build(), async |cache| {
        until_hit().await;
        server.kill();
        until_noticed(&cache).await;
        // Returns when the server answers: until then it says LOADING.
        let restarting = spawn_blocking({
            let server = Arc::clone(&server);
            move || server.restart()
        });
        while !restarting.is_finished() {
            assert_eq!(answer(2).await, 2);
            tokio::task::yield_now().await;
        }
        restarting.await.unwrap().unwrap();
        assert!(server.log().contains("Loading RDB"), "the file was loaded");
        until_hit().await;
    })
    .await;
}

#[tokio::test]
async fn a_server_that_runs_a_script_is_used_when_it_has_ended() {
    // `busy-reply-threshold`, by the name that versions before 7.0 know, too.
    let server = RedisServer::builder().config("lua-time-limit", "10").start();
    let server = Arc::new(server.unwrap());
    isolated_in(Cache::builder().redis(at(&server)).build(), async |cache| {
        until_hit().await;
        let script = spawn_blocking({
            let server = Arc::clone(&server);
            // It is killed, which is an error.
            move || server.command::<Value>(["EVAL", "while true do end", "0"]).is_err()
        });
        until_noticed(&cache).await;
        for id in 0..20 {
            assert_eq!(expect_outcomes(&[Bypass], answer(id)).await, id);
        }
        command(&server, &["SCRIPT", "KILL"]);
        assert!(script.await.unwrap());
        until_hit().await;
    })
    .await;
}

#[tokio::test]
async fn a_server_that_takes_no_more_clients_is_used_when_it_takes_them() {
    let server = RedisServer::start().unwrap();
    let (proxy, config) = through_a_proxy(&server);
    command(&server, &["CONFIG", "SET", "maxclients", "1"]);
    isolated_in(Cache::builder().redis(config).build(), async |_| {
        let before = proxy.accepted();
        // One connection may get in. The others are tried again.
        while proxy.accepted() < before + 8 {
            assert_eq!(answer(1).await, 1);
            tokio::task::yield_now().await;
        }
        // The only place has to be free for whoever gives out more of them.
        proxy.refuse();
        let more = ["CONFIG", "SET", "maxclients", "100"];
        while server.command::<Value>(more).is_err() {
            tokio::task::yield_now().await;
        }
        proxy.heal();
        until_hit().await;
    })
    .await;
}

#[tokio::test]
async fn whatever_else_answers_at_the_address_the_body_runs_until_it_is_a_redis() {
    let server = RedisServer::start().unwrap();
    let (proxy, config) = through_a_proxy(&server);
    let stranger = TcpListener::bind("127.0.0.1:0").unwrap();
    proxy.redirect(stranger.local_addr().unwrap());
    std::thread::spawn(move || {
        let sayings: [&[u8]; 4] = [
            b"HTTP/1.1 400 Bad Request\r\n\r\n",
            b"+OK\r\n",
            b"*-7\r\n",
            b"$999999999999\r\n",
        ];
        for (client, saying) in stranger.incoming().zip(sayings.into_iter().cycle()) {
            // Who has hung up misses nothing.
            let _ = client.and_then(|mut client| client.write_all(saying));
        }
    });
    isolated_in(Cache::builder().redis(config).build(), async |_| {
        let before = proxy.accepted();
        while proxy.accepted() < before + 12 {
            let (value, outcomes) = observe(answer(1)).await;
            assert_eq!(value, 1);
            assert!(outcomes.iter().all(|call| call.outcome != Hit), "{outcomes:?}");
            tokio::task::yield_now().await;
        }
        proxy.redirect(([127, 0, 0, 1], server.port().unwrap()));
        proxy.reset();
        until_hit().await;
    })
    .await;
}

/// As servers before 6.0 and some that are not Redis are. Real ones of other makes and versions are not started here: the
/// commands that are used, and no others, are in `docs/protocol.md`.
#[tokio::test]
async fn a_server_that_knows_no_hello_does() {
    let server = RedisServer::builder()
        .config("rename-command", "HELLO \"\"")
        .start()
        .unwrap();
    let refused = server.command::<Value>(["HELLO", "3"]);
    assert!(refused.is_err(), "{refused:?}");
    isolated_on(&server, async |_| {
        let ledger = Ledger::default();
        ledger.total(1).await;
        expect_outcomes(&[Hit], ledger.total(1)).await;
        let booked = ledger.book(1).await;
        assert_eq!(expect_outcomes(&[Miss], ledger.total(1)).await.0, booked);
        expect_outcomes(&[Hit], ledger.total(1)).await;
    })
    .await;
}
