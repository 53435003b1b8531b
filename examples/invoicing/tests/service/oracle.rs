//! Several nodes of the service, one database, one Redis, and everything between them going wrong: is an old number ever
//! shown? The number of a company's invoices is its version. See docs/consistency.md.
use std::{sync::Arc, time::Duration};

use cache_runtime::{Cache, store::RedisConfig};
use cache_testkit::{
    Direction, FaultProxy, RedisServer,
    oracle::{Reach, Recorder, Verdict},
};
use tokio::{task::JoinSet, time::sleep};

use crate::harness::{Cluster, Service};

const NODES: i64 = 3;

/// What is looked at: a company's invoices, in a result that is shared, and in one that is kept in the process, too.
type Key = (&'static str, i64);

const SHOWN: [&str; 2] = ["/api/dashboard/summary", "/api/invoices/summary"];

async fn invoices(node: &Service, (path, company): Key) -> u64 {
    let shown = node.get(&format!("{path}?company={company}")).await.ok();
    shown["invoices"].as_u64().expect("a number of invoices")
}

/// Issues invoices of one company through one node: nobody else does, so the number of invoices is known.
async fn write(node: Arc<Service>, cache: Cache, recorder: Recorder<Key>, company: i64, rounds: usize) {
    let mut version = invoices(&node, (SHOWN[0], company)).await;
    for _ in 0..rounds {
        let calls = SHOWN.map(|path| recorder.begin((path, company)));
        node.issue(company, 1.0).await;
        version += 1;
        // Nothing else is invalidated through this node.
        let reach = if cache.stats().pending_invalidations == 0 {
            Reach::EveryNode
        } else {
            Reach::OwnNode
        };
        for call in calls {
            call.invalidated(version, reach);
        }
        sleep(Duration::from_millis(5)).await;
    }
}

async fn read(node: Arc<Service>, recorder: Recorder<Key>, rounds: usize) {
    for round in 0..rounds {
        let key = (SHOWN[round % 2], 1 + i64::try_from(round / 2).unwrap() % NODES);
        let call = recorder.begin(key);
        call.read(invoices(&node, key).await);
    }
}

/// Every node writes for one company and reads of all. Every call has to succeed, whatever goes wrong.
async fn run(caches: Vec<Cache>, rounds: usize) -> Verdict<Key> {
    let cluster = Cluster::start(caches.clone()).await;
    let recorder = Recorder::new();
    let mut callers = JoinSet::new();
    for ((number, cache), node) in (0..).zip(caches).zip(cluster.nodes()) {
        let recorder = recorder.node(number);
        let company = 1 + i64::try_from(number).unwrap();
        callers.spawn(write(Arc::clone(node), cache, recorder.clone(), company, rounds));
        for _ in 0..2 {
            callers.spawn(read(Arc::clone(node), recorder.clone(), rounds * 4));
        }
    }
    callers.join_all().await;
    recorder.verdict()
}

/// Lets one thing after the other go wrong, for ever.
async fn disturb(server: Arc<RedisServer>, ways: Vec<FaultProxy>) {
    for round in 0.. {
        let way = &ways[round % ways.len()];
        match round % 5 {
            0 => way.black_hole(Direction::Both),
            1 => way.reset(),
            2 => way.delay(Direction::ToClient, Duration::from_millis(30)),
            3 => server.pause(),
            _ => drop(way.strand_one()),
        }
        sleep(Duration::from_millis(120)).await;
        server.resume();
        way.heal();
        sleep(Duration::from_millis(60)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_node_shows_an_old_number_and_no_call_fails_whatever_happens_to_their_redis() {
    let server = Arc::new(RedisServer::start().unwrap());
    let address = ([127, 0, 0, 1], server.port().unwrap());
    let ways: Vec<_> = (0..NODES).map(|_| FaultProxy::start(address).unwrap()).collect();
    let mut caches = Vec::new();
    for way in &ways {
        let config = RedisConfig::new(&format!("redis://{}", way.address())).unwrap();
        let cache = Cache::builder().redis(config).build();
        assert!(cache.ready(Duration::from_secs(10)).await);
        caches.push(cache);
    }
    let disturbing = tokio::spawn(disturb(Arc::clone(&server), ways));
    let verdict = run(caches.clone(), 100).await;
    disturbing.abort();
    server.resume();
    let hits: u64 = caches
        .iter()
        .map(|cache| cache.stats().hits + cache.stats().near_hits)
        .sum();
    assert!(hits > 0, "nothing was cached");
    verdict.assert_stale_for_at_most(Duration::ZERO);
}

/// Otherwise the test above would prove nothing.
#[tokio::test(flavor = "multi_thread")]
async fn nodes_that_do_not_share_a_store_are_caught() {
    let caches = (0..NODES).map(|_| Cache::builder().build()).collect();
    let verdict = run(caches, 20).await;
    assert!(!verdict.stale.is_empty(), "{verdict}");
}
