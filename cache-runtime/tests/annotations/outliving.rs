//! Functions whose loads may go on when their callers are gone. That they do is tested in `tests/calls/owned.rs`.

use std::{borrow::Cow, fmt::Debug, pin::Pin};

use async_trait::async_trait;
use cache_runtime::cached;
use serde::{Serialize, de::DeserializeOwned};

use crate::count;

mod registry {
    cache_runtime::resources! {
        news { stale_while_revalidate = "30s" }
    }
}

trait Repository: Clone + Send + Sync + 'static {
    fn count(&self) -> i64;
}

impl Repository for i64 {
    fn count(&self) -> i64 {
        *self
    }
}

#[derive(Clone, Debug)]
struct Service<R> {
    repository: R,
    name: String,
}

impl<R: Repository> Service<R> {
    const LIMIT: i64 = 3;

    #[cached(resource = registry::news, stale_while_revalidate)]
    async fn names_itself(&self, n: i64) -> i64 {
        let Self { repository, .. } = self;
        let this = self;
        let matched = match self {
            Self { name, .. } if name.is_empty() => 0,
            Self { name, .. } => count(name.len()),
        };
        let later = move || self.repository.count() + count((self).name.len());
        let updated = Self {
            name: String::new(),
            ..self.clone()
        };
        let labelled = 'found: {
            if n > 0 {
                break 'found self.repository.count();
            }
            0
        };
        let text = format!("{} {name}", self.name, name = this.name);
        assert!(matches!(self, Self { name, .. } if *name == self.name));
        if n > Self::LIMIT {
            return minus(n);
        }
        repository.count() + matched + later() + count(updated.name.len() + text.len()) + labelled
    }

    #[cached(resource = registry::news, stale_while_revalidate)]
    async fn boxed(self: Box<Self>, n: i64) -> i64 {
        self.repository.count() + n
    }

    #[cached(resource = registry::news, stale_while_revalidate)]
    async fn forever(&'static self, n: i64) -> i64 {
        let this: &'static Self = self;
        this.repository.count() + n
    }

    #[cached(resource = registry::news, stale_while_revalidate)]
    async fn borrowed_from_nobody(
        &self,
        maybe: Option<&'static str>,
        cow: Cow<'static, str>,
        nested: &&'static str,
    ) -> String {
        format!("{maybe:?} {cow} {nested}")
    }

    #[cached(resource = registry::news, stale_while_revalidate, skip(by, each))]
    async fn functions(&self, by: fn(&str) -> i64, each: Box<dyn Fn(&str) -> i64 + Send + Sync>, n: i64) -> i64 {
        by("a") + each("bc") + n
    }
}

const fn minus(n: i64) -> i64 {
    -n
}

#[cached(resource = registry::news, stale_while_revalidate)]
async fn constant<const N: usize>(array: [u8; N], borrowed: &[u8; N]) -> usize
where
    [u8; N]: Serialize,
{
    array.len() + borrowed.len() + N
}

#[cached(resource = registry::news, stale_while_revalidate)]
async fn by_its_result<T: DeserializeOwned + Serialize + Default + Clone + Send + Sync + 'static>(n: u8) -> Vec<T> {
    vec![T::default(); n.into()]
}

#[cached(resource = registry::news, stale_while_revalidate)]
async fn shadowed(n: i64, name: &str) -> Option<i64> {
    let n = n + 1;
    let name = count(name.len());
    let checked: Option<i64> = (n > 1).then_some(1);
    Some(checked? + n + name)
}

#[cached(resource = registry::news, stale_while_revalidate)]
fn recursive(n: u32) -> Pin<Box<dyn Future<Output = u32> + Send>> {
    let double = n * 2;
    Box::pin(async move { if n == 0 { 0 } else { recursive(n - 1).await + double } })
}

macro_rules! method {
    ($name:ident, $self:ident, $argument:ident: $ty:ty, $body:expr) => {
        impl<R: Repository> Service<R> {
            #[cached(resource = registry::news, stale_while_revalidate)]
            async fn $name(&$self, $argument: $ty, own: i64) -> i64 {
                $body + own
            }
        }
    };
}

method!(given_by_a_macro, self, text: &str, self.repository.count() + count(text.len()));

trait Native {
    fn native(&self, n: i64) -> impl Future<Output = i64> + Send;
}

impl<R: Repository> Native for Service<R> {
    #[cached(resource = registry::news, stale_while_revalidate)]
    async fn native(&self, n: i64) -> i64 {
        self.repository.count() + n
    }
}

#[async_trait]
trait Rates: Clone + Send + Sync + 'static {
    fn base(&self) -> i64;

    #[cached(resource = registry::news, stale_while_revalidate)]
    async fn provided(&self, mut n: i64, name: &str) -> i64 {
        n += 1;
        self.base() + n + count(name.len())
    }

    async fn generic<T: Debug + Serialize + Clone + Send + Sync + 'static>(&self, value: &T) -> String;
}

#[async_trait]
impl<R: Repository> Rates for Service<R> {
    fn base(&self) -> i64 {
        self.repository.count()
    }

    #[cached(resource = registry::news, stale_while_revalidate)]
    async fn generic<T: Debug + Serialize + Clone + Send + Sync + 'static>(&self, value: &T) -> String {
        let value: &T = value;
        format!("{value:?} {}", self.name)
    }
}

#[tokio::test]
async fn their_bodies_are_written_as_those_of_others() {
    let service = Service {
        repository: 1_i64,
        name: "n".to_owned(),
    };
    assert_eq!((service.names_itself(1).await, service.names_itself(9).await), (8, -9));
    assert_eq!(Box::new(service.clone()).boxed(1).await, 2);
    let leaked: &'static Service<i64> = Box::leak(Box::new(service.clone()));
    assert_eq!(leaked.forever(1).await, 2);
    let text = service.borrowed_from_nobody(Some("a"), "b".into(), &"c").await;
    assert_eq!(text, "Some(\"a\") b c");
    let length = |text: &str| count(text.len());
    assert_eq!(service.functions(length, Box::new(length), 1).await, 4);
    assert_eq!(constant([1, 2], &[3, 4]).await, 6);
    assert_eq!(by_its_result::<u8>(2).await, [0, 0]);
    assert_eq!((shadowed(1, "ab").await, shadowed(0, "").await), (Some(5), None));
    assert_eq!(recursive(2).await, 6);
    assert_eq!(service.given_by_a_macro("ab", 1).await, 4);
    assert_eq!(service.native(1).await, 2);
    assert_eq!(service.provided(1, "ab").await, 5);
    assert_eq!(service.generic(&[1]).await, "[1] n");
}
