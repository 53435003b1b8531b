//! `crash_safe`: nothing old is served even if a process is killed between its commit and its invalidation.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, Stdio},
    time::Duration,
};

use cache_runtime::{
    Cache, CacheBuilder,
    Outcome::{self, Hit, Miss},
    cached, invalidates,
    store::RedisConfig,
    with_cache,
};
use cache_testkit::{Gate, OperationKind, PATIENCE, RedisServer, expect_outcomes, isolated_in, reaching, until};
use support::{at, outcome_of, process_of, spy};

/// A database of one row, in a file, so that two processes can share it.
#[derive(Debug, Clone)]
struct Bank {
    row: PathBuf,
    before_commit: Gate,
    after_commit: Gate,
}

impl Bank {
    fn new(folder: &Path) -> Self {
        let (before_commit, after_commit) = (Gate::closed(), Gate::closed());
        before_commit.open();
        after_commit.open();
        let row = folder.join("balance");
        fs::write(&row, "0").expect("a row");
        Self {
            row,
            before_commit,
            after_commit,
        }
    }

    fn row(&self) -> i64 {
        let text = fs::read_to_string(&self.row).expect("a row");
        text.parse().expect("a number")
    }

    fn commit(&self, balance: i64) {
        let new = self.row.with_extension("new");
        fs::write(&new, balance.to_string()).expect("a row");
        fs::rename(new, &self.row).expect("a row");
    }

    #[cached(resource = "ledger", scope(account))]
    async fn ledger(&self, account: u32) -> i64 {
        self.row()
    }

    #[cached(resource = "balance", scope(account))]
    async fn plain(&self, account: u32) -> i64 {
        self.row()
    }

    #[cached(resource = "lagging")]
    async fn lagging(&self) -> i64 {
        self.row()
    }

    #[invalidates("ledger"(account), "balance"(account))]
    async fn set(&self, account: u32, balance: i64) -> Result<(), String> {
        self.before_commit.pass().await;
        if balance < 0 {
            return Err("no overdraft".to_owned());
        }
        self.commit(balance);
        self.after_commit.pass().await;
        Ok(())
    }

    #[invalidates("ledger"(account = result))]
    async fn set_any(&self, balance: i64) -> Result<u32, String> {
        self.before_commit.pass().await;
        self.commit(balance);
        Ok(1)
    }

    #[invalidates("lagging")]
    async fn set_lagging(&self, balance: i64) {
        self.commit(balance);
    }
}

async fn look(bank: &Bank) -> (i64, Outcome) {
    outcome_of(bank.ledger(1)).await
}

/// Reads until what is read is stored again, and checks every value on the way.
async fn until_stored_again(bank: &Bank, expected: i64) {
    let stored = async || {
        let (balance, outcome) = look(bank).await;
        assert_eq!(balance, expected, "{outcome}");
        outcome == Hit
    };
    until("something is stored again", stored).await;
}

fn patient() -> CacheBuilder {
    cache_testkit::patient().hold_ttl(Duration::from_secs(1))
}

async fn process(server: &RedisServer) -> Cache {
    reaching(server, patient()).await
}

/// The other process. It commits when a line comes in, and says so; then it never goes on.
#[test]
#[ignore = "run by the tests below, as a process of its own"]
fn the_process_that_is_killed() {
    let url = std::env::var("VICTIM_REDIS").unwrap();
    let row = PathBuf::from(std::env::var("VICTIM_ROW").unwrap());
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let bank = Bank {
            row,
            before_commit: Gate::closed(),
            after_commit: Gate::closed(),
        };
        let before_commit = bank.before_commit.clone();
        let (mutation, watched) = (bank.clone(), bank.clone());
        let cache = patient().redis(RedisConfig::new(&url).unwrap()).build();
        assert!(cache.ready(PATIENCE).await);
        tokio::spawn(with_cache(cache, async move { mutation.set(1, 100).await }));
        before_commit.until_waiting(1).await;
        println!("\nbegun");
        let mut line = String::new();
        std::io::stdin().read_line(&mut line).unwrap();
        before_commit.open();
        watched.after_commit.until_waiting(1).await;
        println!("\ncommitted");
        std::future::pending::<()>().await;
    });
}

struct Victim(Child);

impl Victim {
    fn start(server: &RedisServer, bank: &Bank) -> Self {
        let child = process_of("crash_safe::the_process_that_is_killed")
            .env("VICTIM_REDIS", server.url())
            .env("VICTIM_ROW", &bank.row)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .expect("this program starts");
        Self(child)
    }

    fn until_it_says(&mut self, word: &str) {
        let mut lines = BufReader::new(self.0.stdout.as_mut().expect("a pipe")).lines();
        assert!(
            lines.any(|line| line.expect("text") == word),
            "it ended before it had {word}"
        );
    }

    fn commit(&mut self) {
        self.0
            .stdin
            .as_mut()
            .expect("a pipe")
            .write_all(b"go\n")
            .expect("it listens");
    }
}

impl Drop for Victim {
    /// SIGKILL, on Unix.
    fn drop(&mut self) {
        self.0.kill().expect("it runs");
        self.0.wait().expect("it ends");
    }
}

#[tokio::test]
async fn nothing_old_is_served_after_a_process_was_killed_between_commit_and_invalidation() {
    let server = RedisServer::start().unwrap();
    let bank = Bank::new(server.folder());
    with_cache(process(&server).await, async {
        for _ in 0..2 {
            bank.ledger(1).await;
            bank.plain(1).await;
        }
        let mut victim = Victim::start(&server, &bank);
        victim.until_it_says("begun");
        assert_eq!(look(&bank).await, (0, Miss), "what was stored is unusable already");
        assert_eq!(look(&bank).await, (0, Miss), "and what is read meanwhile is not stored");
        victim.commit();
        victim.until_it_says("committed");
        drop(victim);
        assert_eq!(bank.plain(1).await, 0, "without `crash_safe` the old value is served");
        until_stored_again(&bank, 100).await;
    })
    .await;
}

#[tokio::test]
async fn nothing_is_stored_while_a_mutation_runs_and_everything_afterwards() {
    let server = RedisServer::start().unwrap();
    let bank = Bank::new(server.folder());
    let (here, elsewhere) = (process(&server).await, process(&server).await);
    with_cache(here, async {
        until_stored_again(&bank, 0).await;
        bank.before_commit.close();
        let mutation = tokio::spawn(with_cache(elsewhere, {
            let bank = bank.clone();
            async move { bank.set(1, 7).await }
        }));
        bank.before_commit.until_waiting(1).await;
        for _ in 0..5 {
            assert_eq!(look(&bank).await, (0, Miss));
        }
        bank.before_commit.open();
        mutation.await.unwrap().unwrap();
        assert_eq!(look(&bank).await, (7, Miss));
        assert_eq!(look(&bank).await, (7, Hit), "the hold was left at the end");
        let holds: Vec<String> = server.command(["KEYS", "cachehold*"]).unwrap();
        assert_eq!(holds, Vec::<String>::new());
    })
    .await;
}

#[tokio::test]
async fn a_hold_lasts_as_long_as_the_mutation_however_long_that_is() {
    let spy = spy();
    isolated_in(patient().store(spy.clone()).build(), async |cache| {
        let folder = tempfile::tempdir().unwrap();
        let bank = Bank::new(folder.path());
        bank.before_commit.close();
        let mutation = tokio::spawn(with_cache(cache, {
            let bank = bank.clone();
            async move { bank.set(1, 7).await }
        }));
        bank.before_commit.until_waiting(1).await;
        // More than its lease of one second.
        spy.until_ended(OperationKind::Hold, 6).await;
        for _ in 0..2 {
            assert_eq!(look(&bank).await, (0, Miss));
        }
        bank.before_commit.open();
        mutation.await.unwrap().unwrap();
        until_stored_again(&bank, 7).await;
    })
    .await;
}

#[tokio::test]
async fn the_end_of_one_mutation_does_not_end_the_hold_of_another() {
    let server = RedisServer::start().unwrap();
    let bank = Bank::new(server.folder());
    let (here, elsewhere) = (process(&server).await, process(&server).await);
    let slow = Bank {
        before_commit: Gate::closed(),
        ..bank.clone()
    };
    with_cache(here, async {
        let mutation = tokio::spawn(with_cache(elsewhere, {
            let slow = slow.clone();
            async move { slow.set(1, 2).await }
        }));
        slow.before_commit.until_waiting(1).await;
        bank.set(1, 1).await.unwrap();
        for _ in 0..2 {
            assert_eq!(look(&bank).await, (1, Miss), "the slow one has not committed yet");
        }
        slow.before_commit.open();
        mutation.await.unwrap().unwrap();
        until_stored_again(&bank, 2).await;
    })
    .await;
}

#[tokio::test]
async fn a_mutation_that_failed_leaves_the_hold() {
    let server = RedisServer::start().unwrap();
    let bank = Bank::new(server.folder());
    with_cache(process(&server).await, async {
        bank.set(1, -1).await.unwrap_err();
        assert_eq!(look(&bank).await, (0, Miss));
        assert_eq!(look(&bank).await, (0, Hit));
    })
    .await;
}

/// Whether it committed is unknown, so nothing is stored until the stay of its writer is over.
#[tokio::test]
async fn a_mutation_that_was_dropped_is_held_until_its_lease_is_over() {
    let server = RedisServer::start().unwrap();
    let bank = Bank::new(server.folder());
    let cache = process(&server).await;
    with_cache(cache.clone(), async {
        bank.after_commit.close();
        let mutation = tokio::spawn(with_cache(cache, {
            let bank = bank.clone();
            async move { bank.set(1, 9).await }
        }));
        bank.after_commit.until_waiting(1).await;
        mutation.abort();
        mutation.await.unwrap_err();
        until_stored_again(&bank, 9).await;
    })
    .await;
}

/// Which account it is about is known only afterwards, so meanwhile it is about every account.
#[tokio::test]
async fn a_scope_from_the_result_is_held_as_the_whole_resource() {
    let server = RedisServer::start().unwrap();
    let bank = Bank::new(server.folder());
    let cache = process(&server).await;
    with_cache(cache.clone(), async {
        until_stored_again(&bank, 0).await;
        bank.before_commit.close();
        let mutation = tokio::spawn(with_cache(cache, {
            let bank = bank.clone();
            async move { bank.set_any(3).await }
        }));
        bank.before_commit.until_waiting(1).await;
        for _ in 0..2 {
            assert_eq!(look(&bank).await, (0, Miss));
        }
        bank.before_commit.open();
        mutation.await.unwrap().unwrap();
        until_stored_again(&bank, 3).await;
    })
    .await;
}

#[tokio::test]
async fn other_accounts_are_not_held() {
    let server = RedisServer::start().unwrap();
    let bank = Bank::new(server.folder());
    let cache = process(&server).await;
    with_cache(cache.clone(), async {
        bank.before_commit.close();
        let mutation = tokio::spawn(with_cache(cache, {
            let bank = bank.clone();
            async move { bank.set(1, 3).await }
        }));
        bank.before_commit.until_waiting(1).await;
        expect_outcomes(&[Miss], bank.ledger(2)).await;
        expect_outcomes(&[Hit], bank.ledger(2)).await;
        bank.before_commit.open();
        mutation.await.unwrap().unwrap();
    })
    .await;
}

#[tokio::test]
async fn inside_a_transaction_the_hold_lasts_until_the_commit() {
    let server = RedisServer::start().unwrap();
    let bank = Bank::new(server.folder());
    let (here, elsewhere) = (process(&server).await, process(&server).await);
    let commit = Gate::closed();
    with_cache(here, async {
        until_stored_again(&bank, 0).await;
        let transaction = tokio::spawn(with_cache(elsewhere, {
            let (bank, commit) = (bank.clone(), commit.clone());
            cache_runtime::transaction(async move {
                bank.set(1, 4).await?;
                commit.pass().await;
                bank.commit(5);
                Ok::<_, String>(())
            })
        }));
        commit.until_waiting(1).await;
        for _ in 0..2 {
            assert_eq!(
                look(&bank).await,
                (4, Miss),
                "its mutation has ended, the transaction has not"
            );
        }
        commit.open();
        transaction.await.unwrap().unwrap();
        until_stored_again(&bank, 5).await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn what_settles_is_not_stored_before_it_has_settled() {
    isolated_in(patient().build(), async |_| {
        let folder = tempfile::tempdir().unwrap();
        let bank = Bank::new(folder.path());
        bank.set_lagging(1).await;
        for _ in 0..3 {
            expect_outcomes(&[Miss], bank.lagging()).await;
            tokio::time::advance(Duration::from_millis(600)).await;
        }
        tokio::time::advance(Duration::from_millis(600)).await;
        expect_outcomes(&[Miss], bank.lagging()).await;
        expect_outcomes(&[Hit], bank.lagging()).await;
    })
    .await;
}

#[tokio::test]
async fn without_a_store_the_mutation_goes_on() {
    let server = RedisServer::start().unwrap();
    let bank = Bank::new(server.folder());
    let cache = Cache::builder().redis(at(&server)).build();
    assert!(cache.ready(PATIENCE).await);
    with_cache(cache, async {
        server.kill();
        bank.set(1, 6).await.unwrap();
        assert_eq!(look(&bank).await.0, 6);
        server.restart().unwrap();
        until_stored_again(&bank, 6).await;
    })
    .await;
}
