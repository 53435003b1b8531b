//! Loads that go on when their callers are gone: every kind of argument and receiver reaches them, as the type that it always had.

use std::{fmt::Debug, path::Path, pin::Pin, rc::Rc, sync::Arc, time::Duration};

use async_trait::async_trait;
use cache_runtime::{Lifetime, LoadTimeout, Outcome::*, cached};
use cache_testkit::{LoadCounter, assert_loads, isolated};
use serde::{Deserialize, Serialize};
use support::outcome_of;
use tracing::instrument;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Filter {
    page: u32,
    tags: Vec<String>,
}

/// A handle, which is part of no key.
#[derive(Debug, Clone, Default)]
struct Db {
    loads: LoadCounter,
}

/// Data that cannot be copied.
#[derive(Debug, Serialize)]
struct Token(String);

struct Pair {
    left: u32,
    right: String,
}

/// Calls until the answer is an old one, which is loaded again behind it: all of them give `expected`.
async fn assert_goes_on<T: PartialEq + Debug>(loads: &LoadCounter, expected: T, call: impl AsyncFn() -> T) {
    isolated(async |_cache| {
        assert_eq!(call().await, expected);
        loop {
            let (value, outcome) = outcome_of(call()).await;
            assert_eq!(value, expected);
            match outcome {
                StaleHit => break,
                other => assert_eq!(other, Hit),
            }
            tokio::task::yield_now().await;
        }
        loads.until(2).await;
    })
    .await;
}

#[cached(resource = "momentary", stale_while_revalidate = "1h", skip(db))]
async fn borrowed(db: &Db, name: &str, ids: &[u32], path: &Path, filter: &Filter, shared: &Arc<str>) -> String {
    let _: (&Db, &str, &[u32]) = (db, name, ids);
    let _: (&Path, &Filter, &Arc<str>) = (path, filter, shared);
    db.loads.record();
    tokio::task::yield_now().await;
    format!("{name} {ids:?} {} {filter:?} {shared}", path.display())
}

#[tokio::test]
async fn what_is_borrowed_is_owned_and_lent_to_the_body() {
    let db = Db::default();
    let filter = Filter {
        page: 1,
        tags: vec!["a".to_owned()],
    };
    let expected = format!("n [1, 2] /tmp {filter:?} s");
    assert_goes_on(&db.loads, expected, async || {
        borrowed(&db, "n", &[1, 2], Path::new("/tmp"), &filter, &Arc::from("s")).await
    })
    .await;
}

#[cached(resource = "momentary", stale_while_revalidate = "1h", skip(db))]
async fn by_value(db: Db, mut token: Token, mut count: u32, name: String, label: &'static str) -> String {
    let label: &'static str = label;
    db.loads.record();
    token.0.push('!');
    count += 1;
    tokio::task::yield_now().await;
    token.0 + &name + label + &count.to_string()
}

#[tokio::test]
async fn what_is_passed_by_value_is_moved_and_needs_no_clone() {
    let db = Db::default();
    assert_goes_on(&db.loads, "t!nl2".to_owned(), async || {
        by_value(db.clone(), Token("t".to_owned()), 1, "n".to_owned(), "l").await
    })
    .await;
}

#[cached(resource = "momentary", stale_while_revalidate = "1h", skip(db))]
async fn by_patterns(
    db: &Db,
    (name, mut count): (&str, u32),
    Pair { left, mut right }: Pair,
    Pair { left: other, .. }: &Pair,
    (&factor, [first, ..]): (&u32, [u8; 3]),
    (ref whole,): (String,),
    _: Rc<u8>,
) -> String {
    let _: (&str, &u32, &String) = (name, other, whole);
    db.loads.record();
    count += left * factor;
    right.push_str(whole);
    tokio::task::yield_now().await;
    format!("{name} {count} {right} {other} {first}")
}

#[tokio::test]
async fn what_patterns_bind_is_owned_each_for_itself() {
    let db = Db::default();
    let pair = || Pair {
        left: 2,
        right: "r".to_owned(),
    };
    // What is bound by no name stays with the caller, who keeps it to its own thread.
    assert_goes_on(&db.loads, "n 7 rw 2 9".to_owned(), async || {
        by_patterns(
            &db,
            ("n", 1),
            pair(),
            &pair(),
            (&3, [9, 8, 7]),
            ("w".to_owned(),),
            Rc::new(1),
        )
        .await
    })
    .await;
}

#[cached(resource = "momentary", stale_while_revalidate = "1h", skip(db, by))]
async fn generic<T, K: Clone + Send + Sync + Serialize + 'static, F>(
    db: &Db,
    value: T,
    key: &K,
    by: F,
    text: impl Into<String> + Serialize + Send + 'static,
) -> String
where
    T: Serialize + Send + 'static + ToString,
    F: Fn(&K) -> u8 + Send + Sync + 'static,
{
    db.loads.record();
    tokio::task::yield_now().await;
    format!("{} {} {}", value.to_string(), by(key), text.into())
}

#[tokio::test]
async fn generic_arguments_are_owned_if_their_bounds_allow_it() {
    let db = Db::default();
    assert_goes_on(&db.loads, "1 2 t".to_owned(), async || {
        generic(&db, 1u64, &vec![1u8, 2], |key: &Vec<u8>| key[1], "t".to_owned()).await
    })
    .await;
}

#[cached(resource = "momentary", stale_while_revalidate = "1h", skip(db, _log))]
async fn untouched(db: &Db, _log: &mut Vec<u8>, token: &Token, username: &str) -> u8 {
    db.loads.record();
    1
}

#[tokio::test]
async fn what_the_body_does_not_look_at_stays_with_the_caller() {
    let db = Db::default();
    assert_goes_on(&db.loads, 1, async || {
        untouched(&db, &mut Vec::new(), &Token(String::new()), "anna").await
    })
    .await;
}

#[derive(Debug, Clone, Default)]
struct Service {
    db: Db,
    region: String,
}

trait Named {
    fn name(&self) -> String;
}

impl Service {
    #[cached(resource = "momentary", stale_while_revalidate = "1h", key(self.region))]
    async fn by_reference(&self, id: u32) -> Result<String, u8> {
        use std::fmt::{self, Write as _};

        struct Wrapped(u32);
        impl Named for Wrapped {
            fn name(&self) -> String {
                self.0.to_string()
            }
        }
        fn upper(text: &str) -> String {
            text.to_uppercase()
        }
        let _: &Self = self;
        self.db.loads.record();
        tokio::task::yield_now().await;
        let joined = |id: u32| format!("{} {}", upper(&self.region), Wrapped(id).name());
        let mut text = String::new();
        let written: fmt::Result = write!(text, "{} {:?}", joined(id), Self::limit());
        written.map_err(|_| 1)?;
        Ok(text)
    }

    #[cached(resource = "momentary", stale_while_revalidate = "1h")]
    async fn by_value(mut self, id: u32) -> String {
        self.db.loads.record();
        self.region.push_str("...");
        tokio::task::yield_now().await;
        format!("{}{id}", self.region)
    }

    #[cached(resource = "momentary", stale_while_revalidate = "1h")]
    async fn by_arc(self: Arc<Self>, id: u32) -> String {
        let this: Arc<Self> = Arc::clone(&self);
        self.db.loads.record();
        tokio::task::yield_now().await;
        format!("{}{id}", this.region)
    }

    #[cached(resource = "momentary", stale_while_revalidate = "1h")]
    async fn by_borrowed_arc(self: &Arc<Self>, id: u32) -> String {
        let this: Arc<Self> = Arc::clone(self);
        self.db.loads.record();
        tokio::task::yield_now().await;
        format!("{}{id}", this.region)
    }

    #[instrument(skip(self), fields(region = %self.region), ret)]
    #[cached(resource = "momentary", stale_while_revalidate = "1h")]
    async fn instrumented(&self, name: &str) -> String {
        self.db.loads.record();
        name.to_owned()
    }

    #[cached(resource = "momentary", stale_while_revalidate = "1h")]
    #[instrument(skip(self), fields(region = %self.region), err)]
    async fn instrumented_inside(&self, name: &str) -> Result<String, String> {
        self.db.loads.record();
        tokio::task::yield_now().await;
        Ok(name.to_owned())
    }

    #[cached(resource = "momentary", stale_while_revalidate = "1h")]
    fn boxed<'a>(&'a self, name: &'a str) -> Pin<Box<dyn Future<Output = String> + Send + 'a>> {
        Box::pin(async move {
            self.db.loads.record();
            tokio::task::yield_now().await;
            format!("{}{name}", self.region)
        })
    }

    const fn limit() -> u8 {
        7
    }
}

#[tokio::test]
async fn every_receiver_is_owned_or_moved() {
    let service = Service {
        region: "north".to_owned(),
        ..Service::default()
    };
    let by_reference = async |service: &Service| {
        assert_goes_on(&service.db.loads, Ok("NORTH 1 7".to_owned()), async || {
            service.by_reference(1).await
        })
        .await;
    };
    by_reference(&service.fresh()).await;
    let value = service.fresh();
    assert_goes_on(&value.db.loads, "north...1".to_owned(), async || {
        value.clone().by_value(1).await
    })
    .await;
    let arc = Arc::new(service.fresh());
    assert_goes_on(&arc.db.loads, "north1".to_owned(), async || {
        Arc::clone(&arc).by_arc(1).await
    })
    .await;
    let arc = Arc::new(service.fresh());
    assert_goes_on(&arc.db.loads, "north1".to_owned(), async || {
        arc.by_borrowed_arc(1).await
    })
    .await;
    let boxed = service.fresh();
    assert_goes_on(&boxed.db.loads, "northn".to_owned(), async || boxed.boxed("n").await).await;
}

#[tokio::test]
async fn an_instrumented_body_goes_on_too() {
    let first = Service::default();
    assert_goes_on(&first.db.loads, "n".to_owned(), async || first.instrumented("n").await).await;
    let inside = Service::default();
    assert_goes_on(&inside.db.loads, Ok("n".to_owned()), async || {
        inside.instrumented_inside("n").await
    })
    .await;
}

impl Service {
    /// The same, its loads not counted yet.
    fn fresh(&self) -> Self {
        Self {
            db: Db::default(),
            region: self.region.clone(),
        }
    }
}

#[async_trait]
trait Rates {
    async fn rate(&self, pair: String, factors: (u32, u32), name: &str) -> Option<String>;
    async fn moved(self: Arc<Self>, count: u32) -> u32;
}

#[async_trait]
impl Rates for Service {
    #[cached(resource = "momentary", stale_while_revalidate = "1h", key(self.region))]
    async fn rate(&self, mut pair: String, (a, mut b): (u32, u32), name: &str) -> Option<String> {
        self.db.loads.record();
        tokio::task::yield_now().await;
        pair.push('!');
        b += a;
        Some(format!("{pair} {b} {name} {}", self.region))
    }

    #[cached(resource = "momentary", stale_while_revalidate = "1h")]
    async fn moved(self: Arc<Self>, mut count: u32) -> u32 {
        self.db.loads.record();
        count += 1;
        count
    }
}

#[tokio::test]
async fn methods_of_async_traits_go_on_too() {
    let service = Service::default();
    assert_goes_on(&service.db.loads, Some("p! 3 n ".to_owned()), async || {
        service.rate("p".to_owned(), (1, 2), "n").await
    })
    .await;
    let arc = Arc::new(Service::default());
    assert_goes_on(&arc.db.loads, 2, async || Arc::clone(&arc).moved(1).await).await;
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Refusal(String);

impl From<LoadTimeout> for Refusal {
    fn from(timeout: LoadTimeout) -> Self {
        Self(timeout.to_string())
    }
}

impl Service {
    #[cached(
        resource = "momentary",
        stale_while_revalidate = "1h",
        stale_if_error = "2h",
        load_timeout(soft = "1m", hard = "2m"),
        refresh_ahead,
        jitter = "off",
        negative_ttl = "1h",
        cache_err = |refusal| refusal.0 == name,
        ttl = |length| Lifetime::new(Duration::from_millis(*length)),
        unless = |length| *length > self.region.len() as u64 + u64::from(limit.page),
    )]
    async fn with_closures(&self, name: &str, limit: Filter) -> Result<Option<u64>, Refusal> {
        self.db.loads.record();
        if name == "nobody" {
            return Err(Refusal(name.to_owned()));
        }
        Ok(Some(name.len() as u64 + u64::from(limit.page)))
    }
}

#[tokio::test]
async fn closures_of_the_attribute_are_given_copies_of_the_arguments_that_they_name() {
    let limit = Filter {
        page: 1,
        tags: Vec::new(),
    };
    let service = Service {
        region: "long enough".to_owned(),
        ..Service::default()
    };
    assert_goes_on(&service.db.loads, Ok(Some(3)), async || {
        service.with_closures("ab", limit.clone()).await
    })
    .await;
    isolated(async |_cache| {
        let service = service.fresh();
        // An error that `cache_err` chooses, and a value that `unless` leaves out.
        for _ in 0..2 {
            let refusal = service.with_closures("nobody", limit.clone()).await;
            assert_eq!(refusal, Err(Refusal("nobody".to_owned())));
        }
        assert_loads(&service.db.loads, 1);
        for _ in 0..2 {
            service
                .with_closures("a name that is too long", limit.clone())
                .await
                .unwrap();
        }
        assert_loads(&service.db.loads, 3);
    })
    .await;
}
