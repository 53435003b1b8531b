use std::{boxed::Box, future::Future, pin::Pin};

use cache_runtime::{cached, invalidates};

use crate::AppError;

type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

type Later<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;
type Count = Later<'static, Option<usize>>;

struct Tree {
    children: Vec<Self>,
}

impl Tree {
    #[cached(resource = "companies_list")]
    fn depth(&self, limit: u32) -> Pin<Box<dyn Future<Output = u32> + Send + '_>> {
        Box::pin(async move {
            if limit == 0 {
                return 0;
            }
            let mut deepest = 0;
            for child in &self.children {
                deepest = deepest.max(child.depth(limit - 1).await);
            }
            deepest + 1
        })
    }

    #[cached(resource = "companies_list")]
    fn through_alias(&self, n: usize) -> BoxFuture<'_, Result<usize, AppError>> {
        let half = n / 2;
        Box::pin(async move { Ok(self.children.len() + half) })
    }

    #[cached(resource = "companies_list", key(extra = extra.len()), skip(extra))]
    fn through_any_alias<'a>(&'a self, extra: &'a mut Vec<usize>) -> Later<'a, Result<usize, AppError>> {
        Box::pin(async move {
            extra.push(1);
            if extra.len() > 5 {
                return Err(AppError("full"));
            }
            Ok(self.children.len() + extra.len())
        })
    }

    #[invalidates("companies_list", on = "always")]
    fn prune(&mut self) -> Later<'_, Result<usize, AppError>> {
        Box::pin(async move { self.children.pop().map(|_| 1).ok_or(AppError("bare")) })
    }

    #[invalidates("companies_list")]
    fn clear(&mut self) -> BoxFuture<'_, usize> {
        Box::pin(async move {
            let cleared = self.children.len();
            self.children.clear();
            cleared
        })
    }
}

#[cached(resource = "companies_list", key(what = "aliased"))]
fn aliased_without_a_word_of_it(n: usize) -> Count {
    Box::pin(async move { n.checked_sub(1) })
}

#[tokio::test]
async fn functions_that_return_a_boxed_future_work() {
    let leaf = || Tree { children: Vec::new() };
    let mut tree = Tree {
        children: vec![leaf(), Tree { children: vec![leaf()] }],
    };
    assert_eq!(tree.depth(10).await, 3);
    assert_eq!(tree.depth(2).await, 2);
    assert_eq!(tree.through_alias(4).await, Ok(4));
    assert_eq!(tree.through_any_alias(&mut vec![]).await, Ok(3));
    assert_eq!(tree.prune().await, Ok(1));
    assert_eq!(aliased_without_a_word_of_it(1).await, Some(0));
    assert_eq!(aliased_without_a_word_of_it(0).await, None);
    assert_eq!(tree.clear().await, 1);
}
