//! No password in anything that the runtime says: errors, `Debug`, logs of every level, figures.

use std::{
    error::Error as _,
    fmt::{Debug, Write as _},
    sync::{Arc, Mutex},
    time::Duration,
};

use cache_runtime::{
    Cache, CacheBuilder, cached, invalidates,
    store::{RedisConfig, RedisStore, Store as _, StoreErrorKind},
    with_cache,
};
use cache_testkit::RedisServer;
use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
    span,
};
use tracing_subscriber::{Layer, layer::Context, layer::SubscriberExt, registry};

#[cached(resource = "rows", lease, near = "tracked")]
async fn row(id: u32) -> u32 {
    id
}

#[cached(resource = "ledger")]
async fn balance() -> u32 {
    7
}

#[invalidates("rows", "ledger")]
async fn change() {}

/// Everything that anybody logs on this thread, from trace on: the libraries below, too.
#[derive(Debug, Clone, Default)]
struct Said(Arc<Mutex<String>>);

impl Said {
    fn add(&self, what: &impl Debug) {
        let mut said = self.0.lock().expect("no panic holds it");
        writeln!(said, "{what:?}\n{what:#?}").expect("a String takes everything");
    }

    #[track_caller]
    fn assert_hides(&self, secrets: &[&str]) {
        let said = self.0.lock().expect("no panic holds it");
        for secret in secrets {
            assert!(!said.contains(secret), "{secret} in {said}");
        }
    }
}

impl<S: Subscriber> Layer<S> for Said {
    fn on_new_span(&self, attributes: &span::Attributes<'_>, _id: &span::Id, _context: Context<'_, S>) {
        attributes.record(&mut self.clone());
    }

    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        event.record(&mut self.clone());
    }
}

impl Visit for Said {
    fn record_debug(&mut self, _field: &Field, value: &dyn Debug) {
        self.add(&value);
    }
}

/// Calls, invalidations and closing, with whatever can be shown on the way.
async fn use_all(said: &Said, builder: CacheBuilder) {
    said.add(&builder);
    let cache = builder.build();
    cache.ready(Duration::from_millis(300)).await;
    with_cache(cache.clone(), async {
        for id in 0..10 {
            assert_eq!(row(id).await, id);
            assert_eq!(balance().await, 7);
        }
        change().await;
        said.add(&cache.invalidate("rows"));
        said.add(&cache.invalidate("rows").await);
        said.add(&cache.invalidate("no_such_resource").await);
        said.add(&cache.set("key", &1, Duration::from_secs(1)).await);
    })
    .await;
    said.add(&cache);
    said.add(&cache.stats());
    said.add(&cache.close().await);
    said.add(&cache);
}

fn listening() -> (Said, tracing::subscriber::DefaultGuard) {
    let said = Said::default();
    let guard = tracing::subscriber::set_default(registry().with(said.clone()));
    (said, guard)
}

#[tokio::test]
async fn a_password_that_works_is_not_shown() {
    let (said, _guard) = listening();
    let server = RedisServer::builder().password("hush hush/@:%").start().unwrap();
    let config = RedisConfig::new(server.url()).unwrap();
    said.add(&config);
    use_all(&said, Cache::builder().redis(config)).await;
    said.assert_hides(&["hush", "%40%3A%25"]);
}

#[tokio::test]
async fn a_password_that_is_wrong_is_not_shown() {
    let (said, _guard) = listening();
    let server = RedisServer::builder().password("right-one").start().unwrap();
    for url in ["redis://:wrong-one@", "redis://somebody:wrong-one@"] {
        let (_, address) = server.url().rsplit_once('@').expect("a password");
        let config = RedisConfig::new(&format!("{url}{address}")).unwrap();
        use_all(&said, Cache::builder().redis(config.clone())).await;
        use_all(&said, Cache::builder().redis(config.password("other-one"))).await;
    }
    said.assert_hides(&["right-one", "wrong-one", "other-one"]);
}

/// A server that does not know a command says what it was sent with it, and a password is sent with these.
#[tokio::test]
async fn a_password_that_the_server_repeats_is_not_shown() {
    for unknown in ["HELLO", "AUTH"] {
        for protocol in ["", "?protocol=resp3"] {
            let (said, _guard) = listening();
            let server = RedisServer::builder()
                .config("rename-command", format!("{unknown} \"\""))
                .start()
                .unwrap();
            let address = server.url().replace("redis://", "redis://service:hush-hush@");
            let config = RedisConfig::new(&format!("{address}{protocol}")).unwrap();
            let store = RedisStore::new(config.clone());
            let error = loop {
                let error = store.probe().await.unwrap_err();
                if error.kind() != StoreErrorKind::Connecting {
                    break error;
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            };
            said.add(&error);
            said.add(&error.to_string());
            said.add(&error.source());
            use_all(&said, Cache::builder().redis(config)).await;
            said.assert_hides(&["hush"]);
        }
    }
}

#[tokio::test]
async fn a_password_for_a_server_that_is_not_there_is_not_shown() {
    let (said, _guard) = listening();
    let server = RedisServer::start().unwrap();
    server.kill();
    let (_, address) = server.url().split_once("//").expect("an address");
    for url in [
        format!("redis://service:hush-hush@{address}/0"),
        "redis://service:hush-hush@no-such-host.invalid".to_owned(),
        "redis+unix:///no/such/socket?user=service&pass=hush-hush".to_owned(),
    ] {
        let config = RedisConfig::new(&url).unwrap();
        use_all(&said, Cache::builder().redis(config)).await;
    }
    said.assert_hides(&["hush"]);
}

#[test]
fn a_password_in_an_address_that_is_wrong_is_not_shown() {
    for url in [
        "http://service:hush-hush@host",
        "redis://service:hush-hush@host:port",
        "redis://service:hush-hush@host/database",
        "redis://service:12/hush-hush@host",
        "redis://service:12?hush-hush@host",
        "redis://service:12#hush-hush@host",
        "redis://service:hush-hush@",
        "service:hush-hush@host",
    ] {
        let shown = format!("{:?}", RedisConfig::new(url));
        assert!(!shown.contains("hush"), "{shown}");
    }
}
