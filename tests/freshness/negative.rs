//! `negative_ttl` and `cache_err`: that there is nothing is an answer, too.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use cache_runtime::{
    Outcome::{Hit, Miss},
    cached, invalidates,
};
use cache_testkit::{LoadCounter, isolated};
use support::outcome_of;
use tokio::time::advance;

use crate::source::Failure;

#[derive(Clone, Default)]
struct Articles {
    titles: Arc<Mutex<BTreeMap<u32, String>>>,
    loads: LoadCounter,
}

impl Articles {
    fn get(&self, id: u32) -> Option<String> {
        self.loads.record();
        self.titles.lock().expect("nobody panics").get(&id).cloned()
    }

    #[cached(resource = "found", negative_ttl = "10s")]
    async fn find(&self, id: u32) -> Option<String> {
        self.get(id)
    }

    #[cached(resource = "found")]
    async fn try_find(&self, id: u32) -> Result<Option<String>, Failure> {
        if id == 0 {
            self.loads.record();
            return Err(Failure::Database);
        }
        Ok(self.get(id))
    }

    #[cached(resource = "found", cache_err = |error| matches!(error, Failure::NotFound(_)))]
    async fn show(&self, id: u32) -> Result<String, Failure> {
        if id == 0 {
            self.loads.record();
            return Err(Failure::Database);
        }
        self.get(id).ok_or(Failure::NotFound(id))
    }

    #[invalidates("found")]
    async fn publish(&self, id: u32, title: &str) {
        self.titles.lock().expect("nobody panics").insert(id, title.to_owned());
    }
}

const NEGATIVE: Duration = Duration::from_secs(10);

#[tokio::test(start_paused = true)]
async fn that_there_is_nothing_is_remembered_for_its_own_time() {
    isolated(async |_| {
        let articles = Articles::default();
        assert_eq!(outcome_of(articles.find(7)).await, (None, Miss));
        assert_eq!(outcome_of(articles.find(7)).await, (None, Hit));
        assert_eq!(outcome_of(articles.try_find(8)).await, (Ok(None), Miss));
        assert_eq!(outcome_of(articles.try_find(8)).await, (Ok(None), Hit));
        advance(NEGATIVE).await;
        assert_eq!(outcome_of(articles.find(7)).await, (None, Miss));
        assert_eq!(articles.loads.count(), 3);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn what_is_there_is_remembered_for_the_whole_time() {
    isolated(async |_| {
        let articles = Articles::default();
        articles.publish(7, "seven").await;
        assert_eq!(articles.find(7).await.as_deref(), Some("seven"));
        advance(NEGATIVE * 2).await;
        assert_eq!(outcome_of(articles.find(7)).await.1, Hit);
    })
    .await;
}

#[tokio::test]
async fn an_insert_invalidates_that_there_was_nothing() {
    isolated(async |_| {
        let articles = Articles::default();
        assert_eq!(articles.find(7).await, None);
        assert_eq!(articles.show(8).await, Err(Failure::NotFound(8)));
        articles.publish(7, "seven").await;
        articles.publish(8, "eight").await;
        assert_eq!(articles.find(7).await.as_deref(), Some("seven"));
        assert_eq!(articles.show(8).await.as_deref(), Ok("eight"));
    })
    .await;
}

#[tokio::test]
async fn errors_that_the_function_chooses_are_remembered_and_no_others() {
    isolated(async |_| {
        let articles = Articles::default();
        assert_eq!(outcome_of(articles.show(7)).await, (Err(Failure::NotFound(7)), Miss));
        assert_eq!(outcome_of(articles.show(7)).await, (Err(Failure::NotFound(7)), Hit));
        for _ in 0..2 {
            assert_eq!(outcome_of(articles.show(0)).await, (Err(Failure::Database), Miss));
            assert_eq!(outcome_of(articles.try_find(0)).await, (Err(Failure::Database), Miss));
        }
    })
    .await;
}
