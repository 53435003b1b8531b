use std::fmt::{Debug, Display};

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
