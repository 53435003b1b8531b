use std::sync::Arc;

use async_trait::async_trait;
use cache_runtime::{cached, invalidates};
use serde::{Serialize, de::DeserializeOwned};

use crate::{AppError, Db, Filter, count};

#[async_trait]
trait Invoices: Send + Sync {
    async fn list(&self, company: i64, filter: &Filter) -> Result<Vec<i64>, AppError>;
    async fn patterns(&self, pair: (i32, i32), db: Db, c: i32, d: &i32) -> i32;
    async fn by_arc(self: Arc<Self>, n: i64) -> i64;
    async fn generic<T: Serialize + Send + Sync>(&self, value: &T, username: &str) -> usize;
    async fn pay(&mut self, company: i64) -> Result<Filter, AppError>;
    async fn nothing(&self, filter: Filter);
    async fn to_the_end(self: Arc<Self>, company: i64, pair: (i64, String)) -> Result<Filter, AppError>;

    #[cached(resource = "companies_list")]
    async fn provided(&self, n: i64) -> i64 {
        n + 1
    }
}

struct Service {
    region: String,
}

const LIMIT: usize = 2;

#[async_trait]
impl Invoices for Service {
    #[cached(resource = "invoices_list", scope(company), key(self.region), when = self.region.len() > LIMIT)]
    async fn list(&self, company: i64, filter: &Filter) -> Result<Vec<i64>, AppError> {
        if filter.page > 1 {
            return Err(AppError("no such page"));
        }
        Ok(vec![company, count(self.region.len())])
    }

    #[cached(resource = "companies_list", key(limit = LIMIT))]
    async fn patterns(&self, (a, b): (i32, i32), _: Db, mut c: i32, &d: &i32) -> i32 {
        c += 1;
        a + b + c + d
    }

    #[cached(resource = "companies_list")]
    async fn by_arc(self: Arc<Self>, n: i64) -> i64 {
        n + count(self.region.len())
    }

    #[cached(resource = "companies_list")]
    async fn generic<T: Serialize + Send + Sync>(&self, _value: &T, username: &str) -> usize {
        size_of::<T>()
    }

    #[invalidates("invoice_data"(company = result.company), "sales"(company, region = self.region))]
    async fn pay(&mut self, company: i64) -> Result<Filter, AppError> {
        self.region.push('x');
        Ok(Filter {
            company,
            ..Filter::default()
        })
    }

    #[invalidates("invoice_data"(company = result.company), "sales"(company, region = self.region), detach)]
    async fn to_the_end(self: Arc<Self>, company: i64, (a, b): (i64, String)) -> Result<Filter, AppError> {
        Ok(Filter {
            company: company + a + count(self.region.len()) + count(b.len()),
            ..Filter::default()
        })
    }

    #[invalidates("companies_list")]
    async fn nothing(&self, filter: Filter) {
        drop(filter);
    }
}

#[async_trait(?Send)]
trait Local {
    async fn get(&self, n: i32) -> i32;
}

#[async_trait(?Send)]
impl Local for Service {
    #[cached(resource = "companies_list")]
    async fn get(&self, n: i32) -> i32 {
        n
    }
}

struct Repository<T>(Vec<T>);

#[async_trait]
trait Get<T> {
    async fn get(&self, index: usize) -> Option<T>;
}

#[async_trait]
impl<T> Get<T> for Repository<T>
where
    T: Clone + Send + Sync + Serialize + DeserializeOwned,
{
    #[cached(resource = "companies_list")]
    async fn get(&self, index: usize) -> Option<T> {
        self.0.get(index).cloned()
    }
}

#[tokio::test]
async fn methods_of_async_trait_implementations_work() {
    let mut service = Service { region: "north".into() };
    let filter = Filter::default();
    assert_eq!(service.list(1, &filter).await, Ok(vec![1, 5]));
    let too_far = Filter {
        page: 2,
        ..filter.clone()
    };
    assert_eq!(service.list(1, &too_far).await, Err(AppError("no such page")));
    assert_eq!(service.patterns((1, 2), Db, 3, &4).await, 11);
    assert_eq!(service.generic(&1_u64, "anna").await, 8);
    assert_eq!(service.provided(1).await, 2);
    assert_eq!(service.pay(7).await.map(|filter| filter.company), Ok(7));
    service.nothing(filter).await;
    assert_eq!(Local::get(&service, 1).await, 1);
    let service = Arc::new(service);
    let to_the_end = Arc::clone(&service).to_the_end(1, (2, "abc".to_owned())).await;
    assert_eq!(to_the_end.map(|filter| filter.company), Ok(12));
    assert_eq!(service.by_arc(1).await, 7);
    assert_eq!(Repository(vec![1, 2]).get(1).await, Some(2));
}

#[tokio::test]
async fn trait_objects_work() {
    let service: Box<dyn GetNumber> = Box::new(Repository(vec![1, 2]));
    assert_eq!(
        tokio::spawn(async move { service.number(0).await }).await.unwrap(),
        Some(1)
    );
}

#[async_trait]
trait GetNumber: Send + Sync {
    async fn number(&self, index: usize) -> Option<i32>;
}

#[async_trait]
impl GetNumber for Repository<i32> {
    #[cached(resource = "companies_list")]
    async fn number(&self, index: usize) -> Option<i32> {
        self.0.get(index).copied()
    }
}
