use std::{
    borrow::Cow,
    fmt::{Debug, Display},
};

use cache_runtime::cached;
use serde::{Serialize, de::DeserializeOwned};

struct Repository<T, const N: usize> {
    items: [T; N],
}

impl<T, const N: usize> Repository<T, N>
where
    T: Clone + Serialize + DeserializeOwned + Sync,
{
    #[cached(resource = "companies_list")]
    async fn get(&self, index: usize) -> Option<T> {
        self.items.get(index).cloned()
    }

    #[cached(resource = "companies_list")]
    async fn with_own_parameters<'a, K, const M: usize>(&'a self, key: &'a K, numbers: [i32; M]) -> String
    where
        K: Debug + Display + Serialize + 'a,
        [i32; M]: Serialize,
    {
        format!("{key} {key:?} {} {}", numbers.len(), N)
    }
}

#[cached(resource = "companies_list")]
async fn free<T: Serialize + Debug>(value: T) -> String {
    format!("{value:?}")
}

#[cached(resource = "companies_list")]
async fn serialisable_impl_trait(value: impl Serialize + Debug) -> String {
    format!("{value:?}")
}

struct Shared<T> {
    item: T,
}

impl<T: Clone + Serialize + DeserializeOwned + Send + Sync> Shared<T> {
    #[cached(resource = "companies_list")]
    async fn get(&self) -> Vec<T> {
        vec![self.item.clone()]
    }

    #[cached(resource = "companies_list")]
    async fn own<V: Clone + Serialize + DeserializeOwned + Send + Sync>(&self, value: &V) -> Result<V, String> {
        Ok(value.clone())
    }
}

#[cached(resource = "companies_list")]
async fn shortest<'a>(name: &'a str, other: &'a str) -> Cow<'a, str> {
    Cow::Borrowed(if name.len() < other.len() { name } else { other })
}

#[tokio::test]
async fn results_that_can_be_cloned_may_borrow_for_a_while() {
    let name = "a".to_owned();
    let shared = Shared {
        item: Cow::Borrowed(name.as_str()),
    };
    assert_eq!(shared.get().await, ["a"]);
    assert_eq!(shared.own(&Cow::Borrowed(name.as_str())).await.unwrap(), "a");
    assert_eq!(shortest(&name, "bc").await, "a");
}

#[tokio::test]
async fn generics_with_bounds_where_clauses_and_constants_work() {
    let repository = Repository {
        items: ["a".to_owned(), "b".to_owned()],
    };
    assert_eq!(repository.get(1).await.as_deref(), Some("b"));
    assert_eq!(repository.get(2).await, None);
    assert_eq!(repository.with_own_parameters(&"k", [1, 2, 3]).await, "k \"k\" 3 2");
    assert_eq!(free((1, "x")).await, "(1, \"x\")");
    assert_eq!(serialisable_impl_trait(Some(1)).await, "Some(1)");
}
