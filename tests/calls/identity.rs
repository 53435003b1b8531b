//! Every annotated function is told from every other one: those of one name, and those whose keys come out equal.

use cache_runtime::{
    Cache,
    Outcome::{Hit, Miss, Rejected},
    cached, with_cache,
};
use cache_testkit::{LoadCounter, assert_loads, expect_outcomes, isolated, isolated_in};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use support::spy;

/// Something that loads by number, made by one macro in blocks without a name.
trait Entity {
    async fn text(id: u32) -> String;
    async fn debug(id: u32) -> String;
}

struct Customer;
struct Supplier;

macro_rules! entity {
    ($entity:ident, $field:ident: $ty:ty = $value:expr) => {
        const _: () = {
            #[cached(resource = "customers")]
            async fn inner(id: u32) -> String {
                format!("{} {id}", stringify!($entity))
            }

            #[derive(Debug, Serialize, Deserialize)]
            struct Row {
                #[allow(dead_code, reason = "it is shown")]
                $field: $ty,
            }

            #[cached(resource = "suppliers")]
            async fn row(id: u32) -> Row {
                let _ = id;
                Row { $field: $value }
            }

            impl Entity for $entity {
                async fn text(id: u32) -> String {
                    inner(id).await
                }

                async fn debug(id: u32) -> String {
                    format!("{:?}", row(id).await)
                }
            }
        };
    };
}

entity!(Customer, iban: Option<String> = Some("DE1".to_owned()));
entity!(Supplier, limit: Option<u32> = Some(7));

#[tokio::test]
async fn functions_of_one_name_in_blocks_without_one_are_told_apart() {
    isolated(async |_| {
        for _ in 0..3 {
            assert_eq!(Customer::text(1).await, "Customer 1");
            assert_eq!(Supplier::text(1).await, "Supplier 1");
            assert_eq!(Customer::debug(1).await, "Row { iban: Some(\"DE1\") }");
            assert_eq!(Supplier::debug(1).await, "Row { limit: Some(7) }");
        }
    })
    .await;
}

/// Each block has a function of its own.
async fn nested(which: bool, id: u32) -> String {
    if which {
        #[cached(resource = "customers")]
        async fn inner(id: u32) -> String {
            format!("first {id}")
        }
        inner(id).await
    } else {
        #[cached(resource = "customers")]
        async fn inner(id: u32) -> String {
            format!("second {id}")
        }
        inner(id).await
    }
}

#[tokio::test]
async fn functions_of_one_name_in_two_blocks_of_one_function_are_told_apart() {
    isolated(async |cache| {
        for _ in 0..6 {
            assert_eq!(nested(true, 1).await, "first 1");
            assert_eq!(nested(false, 1).await, "second 1");
        }
        assert!(cache.stats().hits >= 2, "{:?}", cache.stats());
    })
    .await;
}

/// Methods of one name, of types of one name.
#[tokio::test]
async fn methods_of_private_types_of_one_name_are_told_apart() {
    async fn first() -> u32 {
        struct Service;
        impl Service {
            #[cached(resource = "pages", near = "tracked")]
            async fn page(&self, id: u32) -> u32 {
                id
            }
        }
        Service.page(1).await
    }
    async fn second() -> u32 {
        struct Service;
        impl Service {
            #[cached(resource = "pages", near = "tracked")]
            async fn page(&self, id: u32) -> u32 {
                id + 100
            }
        }
        Service.page(1).await
    }
    isolated(async |_| {
        for _ in 0..3 {
            assert_eq!((first().await, second().await), (1, 101));
        }
    })
    .await;
}

trait Numbered: Serialize + DeserializeOwned + Send {
    fn numbered(number: u32) -> Self;
    fn number(&self) -> u32;
}

#[cached(resource = "pages")]
async fn load<T: Numbered>(id: u32) -> T {
    T::numbered(id)
}

macro_rules! numbered {
    ($function:ident, $add:literal) => {
        async fn $function(id: u32) -> u32 {
            #[derive(Serialize, Deserialize)]
            struct Row(u32);
            impl Numbered for Row {
                fn numbered(number: u32) -> Self {
                    Self(number + $add)
                }
                fn number(&self) -> u32 {
                    self.0
                }
            }
            load::<Row>(id).await.number()
        }
    };
}

#[tokio::test]
async fn instances_for_types_of_one_name_and_structure_are_told_apart() {
    mod one {
        use super::*;
        numbered!(row, 1);
        pub(super) async fn call() -> u32 {
            row(0).await
        }
    }
    mod other {
        use super::*;
        numbered!(row, 2);
        pub(super) async fn call() -> u32 {
            row(0).await
        }
    }
    async fn in_a_block(which: bool) -> u32 {
        if which {
            numbered!(row, 10);
            row(0).await
        } else {
            numbered!(row, 20);
            row(0).await
        }
    }
    isolated(async |_| {
        for _ in 0..3 {
            assert_eq!((one::call().await, other::call().await), (1, 2));
            assert_eq!((in_a_block(true).await, in_a_block(false).await), (10, 20));
        }
    })
    .await;
}

#[cached(resource = "reports", scope(company), skip(loads))]
async fn list(company: i64, loads: &LoadCounter) -> Vec<i64> {
    loads.record();
    vec![company]
}

#[cached(resource = "reports", scope(company), skip(loads))]
async fn total(company: i64, loads: &LoadCounter) -> i64 {
    loads.record();
    company
}

/// The same type, too.
#[cached(resource = "reports", scope(company), skip(loads))]
async fn grand_total(company: i64, loads: &LoadCounter) -> i64 {
    loads.record();
    company + 1
}

#[tokio::test]
async fn functions_of_one_resource_whose_keys_come_out_equal_all_hit() {
    isolated(async |cache| {
        let loads = LoadCounter::new();
        for _ in 0..100 {
            assert_eq!(list(1, &loads).await, [1]);
            assert_eq!(total(1, &loads).await, 1);
            assert_eq!(grand_total(1, &loads).await, 2);
        }
        // Each loads until it has met others' entries three times, and once more for its own key.
        assert!(loads.count() <= 15, "{} loads", loads.count());
        assert!(cache.stats().hits >= 285, "{:?}", cache.stats());
        let loads = loads.count();
        expect_outcomes(&[Hit, Hit, Hit], async {
            let none = LoadCounter::new();
            list(1, &none).await;
            total(1, &none).await;
            grand_total(1, &none).await;
            assert_loads(&none, 0);
        })
        .await;
        assert_eq!(cache.stats().loads, loads);
    })
    .await;
}

#[cached(resource = "reports", scope(company))]
async fn sum<T: Numbered + 'static>(company: i64) -> T {
    T::numbered(u32::try_from(company).unwrap_or_default())
}

impl Numbered for u32 {
    fn numbered(number: u32) -> Self {
        number
    }
    fn number(&self) -> u32 {
        *self
    }
}

impl Numbered for u64 {
    fn numbered(number: u32) -> Self {
        u64::from(number) + 1
    }
    fn number(&self) -> u32 {
        u32::try_from(*self).unwrap_or_default()
    }
}

#[tokio::test]
async fn instances_of_a_generic_function_all_hit() {
    isolated(async |cache| {
        for _ in 0..20 {
            assert_eq!((sum::<u32>(1).await, sum::<u64>(1).await), (1, 2));
        }
        assert!(cache.stats().hits >= 32, "{:?}", cache.stats());
    })
    .await;
}

/// Two processes, each of which runs one of the functions; and what is invalidated stays so.
#[tokio::test]
async fn keys_of_their_own_are_shared_between_processes_and_invalidated_like_any_other() {
    let store = spy();
    let one = Cache::builder().store(store.clone()).build();
    let loads = LoadCounter::new();
    with_cache(one.clone(), async {
        for _ in 0..5 {
            list(1, &loads).await;
            total(1, &loads).await;
        }
    })
    .await;
    let other = Cache::builder().store(store).build();
    isolated_in(other, async |_| {
        expect_outcomes(&[Hit], total(1, &loads)).await;
        one.invalidate("reports").scope("company", 1).await.unwrap();
        expect_outcomes(&[Miss], total(1, &loads)).await;
        expect_outcomes(&[Hit], total(1, &loads)).await;
    })
    .await;
}

/// Where one function alone has the resource, its keys stay those that Python computes, whatever stands under them.
#[cached(resource = "pages")]
async fn alone(id: u32) -> u32 {
    id
}

#[tokio::test]
async fn an_entry_that_is_damaged_does_not_change_keys() {
    let server = cache_testkit::RedisServer::start().unwrap();
    cache_testkit::isolated_on(&server, async |_| {
        alone(1).await;
        let keys: Vec<String> = server.command(["KEYS", "cache:*"]).unwrap();
        server.command::<()>(["SET", &keys[0], "damaged", "KEEPTTL"]).unwrap();
        expect_outcomes(&[Rejected], alone(1)).await;
        expect_outcomes(&[Hit], alone(1)).await;
        assert_eq!(server.command::<Vec<String>>(["KEYS", "cache:*"]).unwrap(), keys);
    })
    .await;
}
