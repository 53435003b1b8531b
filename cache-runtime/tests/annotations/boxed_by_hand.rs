use std::{boxed::Box, future::Future, pin::Pin};

use cache_runtime::{cached, invalidates};

use crate::AppError;

type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

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

    #[invalidates("companies_list")]
    fn clear(&mut self) -> BoxFuture<'_, usize> {
        Box::pin(async move {
            let cleared = self.children.len();
            self.children.clear();
            cleared
        })
    }
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
    assert_eq!(tree.clear().await, 2);
}
