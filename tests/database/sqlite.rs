//! What fires on an SQLite, what is installed there, and what a relay does about it.

use std::{path::PathBuf, process::Command, time::Duration};

use cache_runtime::{
    Cache, cached,
    changes::{ChangeSource as _, RelayState, SqliteOutbox, Taken, Triggers as _},
    with_cache,
};
use cache_testkit::until;
use sqlx::{
    AssertSqlSafe, ConnectOptions as _, Executor as _, Row as _, SqliteConnection, sqlite::SqliteConnectOptions,
};
use tempfile::TempDir;

use crate::sqlite_resources::REGISTRY;

mod registries {
    pub(super) mod without_column {
        cache_runtime::resources! {
            sqlite_orders { ttl = 60, scope(order_of: i64) }
            table invoices => sqlite_orders(order_of = compny_id);
        }
    }
    pub(super) mod in_another_case {
        cache_runtime::resources! {
            sqlite_cases { ttl = 60, scope(company: i64, called: String) }
            table invoices => sqlite_cases(company = COMPANY_ID, called = nmber);
        }
    }
    pub(super) mod without_table {
        cache_runtime::resources! { sqlite_nothing { ttl = 60 } table invoces => sqlite_nothing; }
    }
    pub(super) mod of_a_view {
        cache_runtime::resources! { sqlite_view { ttl = 60 } table late => sqlite_view; }
    }
    pub(super) mod before {
        cache_runtime::resources! { sqlite_before { ttl = 60 } table invoices => sqlite_before; }
    }
}

const TABLES: &str = "
    CREATE TABLE companies (id INTEGER PRIMARY KEY, name TEXT);
    CREATE TABLE invoices (
        id INTEGER PRIMARY KEY,
        company_id INTEGER REFERENCES companies (id) ON DELETE CASCADE ON UPDATE CASCADE,
        number TEXT UNIQUE,
        amount INTEGER NOT NULL DEFAULT 0
    );
    CREATE TABLE flags (key TEXT, yes BOOLEAN, uuid UUID, anything, PRIMARY KEY (key)) WITHOUT ROWID;
    INSERT INTO companies (id) VALUES (1), (2), (3), (4)";

/// An SQLite file with tables and triggers.
struct Books {
    path: PathBuf,
    connection: SqliteConnection,
    outbox: SqliteOutbox,
    /// Where the file is.
    _folder: TempDir,
}

impl Books {
    async fn open() -> Self {
        let books = Self::without_triggers().await;
        books.outbox.install().await.expect("the triggers");
        books.settled().await
    }

    async fn without_triggers() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("books.db");
        let options = SqliteConnectOptions::new().filename(&path);
        let mut connection = options
            .clone()
            .create_if_missing(true)
            .foreign_keys(true)
            .connect()
            .await
            .expect("a file");
        connection
            .execute("PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF")
            .await
            .expect("a mode");
        connection.execute(sqlx::raw_sql(TABLES)).await.expect("the tables");
        Self {
            outbox: SqliteOutbox::new(options).registry(&REGISTRY),
            path,
            connection,
            _folder: folder,
        }
    }

    async fn settled(mut self) -> Self {
        self.written().await;
        self
    }

    async fn run(&mut self, sql: &str) {
        let done = self
            .connection
            .execute(sqlx::raw_sql(AssertSqlSafe(sql.to_owned())))
            .await;
        done.unwrap_or_else(|error| panic!("{sql}: {error}"));
    }

    /// What these statements have written down: the table and the values.
    async fn written_by(&mut self, sql: &str) -> Vec<String> {
        self.run(sql).await;
        self.written().await
    }

    async fn written(&mut self) -> Vec<String> {
        let sql = "SELECT s.declaration ->> '$.table' || ' ' || COALESCE(key, '*') FROM cache_runtime_outbox o
                   JOIN cache_runtime_sources s ON s.id = o.source ORDER BY 1";
        let rows = self.connection.fetch_all(sql).await.expect("the outbox");
        self.run("DELETE FROM cache_runtime_outbox").await;
        rows.iter().map(|row| row.get(0)).collect()
    }

    fn of(&self, registry: &'static cache_runtime::Registry) -> SqliteOutbox {
        SqliteOutbox::new(SqliteConnectOptions::new().filename(&self.path)).registry(registry)
    }
}

#[tokio::test]
async fn every_kind_of_statement_is_written_down() {
    let mut books = Books::open().await;
    for (sql, expected) in [
        (
            "INSERT INTO invoices (id, company_id, number) VALUES (1, 1, 'a'), (2, 1, 'b'), (3, 2, 'c')",
            &["invoices [1]", "invoices [2]"][..],
        ),
        ("UPDATE invoices SET amount = 7 WHERE company_id = 1", &["invoices [1]"]),
        (
            "UPDATE invoices SET company_id = 3 WHERE id = 3",
            &["invoices [2]", "invoices [3]"],
        ),
        ("UPDATE invoices SET amount = 7 WHERE false", &[]),
        (
            "INSERT INTO invoices (id, company_id) VALUES (1, 2) ON CONFLICT (id) DO UPDATE SET company_id = excluded.company_id",
            &["invoices [1]", "invoices [2]"],
        ),
        // The row that goes is of another company, and there is no trigger for that; by the key, and by what else is unique.
        (
            "INSERT OR REPLACE INTO invoices (id, company_id, number) VALUES (3, 1, 'c')",
            &["invoices [1]", "invoices [3]"],
        ),
        (
            "REPLACE INTO invoices (company_id, number) VALUES (4, 'c')",
            &["invoices [1]", "invoices [4]"],
        ),
        (
            "UPDATE OR REPLACE invoices SET number = 'c' WHERE id = 1",
            &["invoices [2]", "invoices [4]"],
        ),
        // That the row is not inserted is not known before.
        (
            "INSERT OR IGNORE INTO invoices (id, company_id) VALUES (1, 3)",
            &["invoices [2]"],
        ),
        (
            "UPDATE companies SET id = 20 WHERE id = 2",
            &["companies []", "invoices [20]", "invoices [2]"],
        ),
        (
            "DELETE FROM companies WHERE id = 20",
            &["companies []", "invoices [20]"],
        ),
        ("INSERT INTO invoices (company_id) VALUES (NULL)", &["invoices [null]"]),
        ("BEGIN; INSERT INTO invoices (company_id) VALUES (1); ROLLBACK", &[]),
        (
            "INSERT INTO invoices (company_id) VALUES (1); DELETE FROM invoices",
            &["invoices [1]", "invoices [null]"],
        ),
        (
            "INSERT INTO flags VALUES ('k', true, x'a0eebc999c0b4ef8bb6d6bb9bd380a11', 'it''s'), ('l', 0, 'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11', 1.5)",
            &[
                r#"flags ["false","a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",null]"#,
                r#"flags ["true","a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11","it's"]"#,
            ],
        ),
    ] {
        assert_eq!(books.written_by(sql).await, expected, "{sql}");
    }
}

#[tokio::test]
async fn a_change_that_says_what_another_one_says_is_written_down_once_unless_that_one_is_taken() {
    let mut books = Books::open().await;
    let count = async |books: &mut Books| -> i64 {
        books
            .connection
            .fetch_one("SELECT count(*) FROM cache_runtime_outbox")
            .await
            .unwrap()
            .get(0)
    };
    books
        .run("INSERT INTO invoices (company_id) VALUES (1), (1), (1); INSERT INTO invoices (company_id) VALUES (1)")
        .await;
    assert_eq!(count(&mut books).await, 1);
    let mut outbox = books.outbox.clone();
    let Taken::Changes(changes) = outbox.take().await.unwrap() else {
        panic!("nobody else relays")
    };
    assert_eq!(changes.len(), 1);
    // Its invalidation may be over when this is committed.
    books.run("INSERT INTO invoices (company_id) VALUES (1)").await;
    assert_eq!(count(&mut books).await, 2);
    outbox.acknowledge().await.unwrap();
    assert_eq!(count(&mut books).await, 1);
    let Taken::Changes(changes) = outbox.take().await.unwrap() else {
        panic!("it has the work")
    };
    assert_eq!(changes.len(), 1);
}

#[tokio::test]
async fn what_is_declared_and_not_there_is_named_with_what_is_most_like_it() {
    let mut books = Books::without_triggers().await;
    books.run("CREATE VIEW late AS SELECT * FROM invoices").await;
    let error = async |outbox: SqliteOutbox| outbox.sql().await.unwrap_err().to_string();
    assert_eq!(
        error(books.of(&registries::without_table::REGISTRY)).await,
        "there is no table `invoces` in the database\nhelp: did you mean `invoices`?"
    );
    assert_eq!(
        error(books.of(&registries::without_column::REGISTRY)).await,
        "the table `invoices` has no column `compny_id`; it has `id`, `company_id`, `number`, `amount`\nhelp: did you mean `company_id`?"
    );
    // The other one is there, by a name in another case.
    assert_eq!(
        error(books.of(&registries::in_another_case::REGISTRY)).await,
        "the table `invoices` has no column `nmber`; it has `id`, `company_id`, `number`, `amount`\nhelp: did you mean `number`?"
    );
    assert!(
        error(books.of(&registries::of_a_view::REGISTRY))
            .await
            .starts_with("`late` is a view")
    );
}

#[tokio::test]
async fn what_is_printed_passes_the_check_and_what_differs_is_found() {
    let mut books = Books::without_triggers().await;
    assert_eq!(
        books.outbox.check().await.unwrap(),
        ["nothing is installed: there is no table `cache_runtime_outbox`"]
    );
    let sql = books.outbox.sql().await.unwrap();
    for _ in 0..2 {
        books.run(&format!("BEGIN; {sql} COMMIT")).await;
        assert_eq!(books.outbox.check().await.unwrap(), Vec::<String>::new());
    }
    books.outbox.remove().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("1_cache_triggers.sql"), &sql).unwrap();
    let migrator = sqlx::migrate::Migrator::new(folder.path()).await.unwrap();
    migrator.run_direct(None, &mut books.connection, false).await.unwrap();
    assert_eq!(books.outbox.check().await.unwrap(), Vec::<String>::new());
    for (sql, expected) in [
        (
            "DROP TRIGGER cache_runtime_update_invoices",
            "the trigger `cache_runtime_update_invoices` is missing",
        ),
        (
            "CREATE UNIQUE INDEX by_amount ON invoices (amount)",
            "the trigger `cache_runtime_replace_invoices` is another one than what is declared needs",
        ),
        (
            "DROP TABLE invoices; CREATE TABLE invoices (id INTEGER PRIMARY KEY, company_id)",
            "the trigger `cache_runtime_insert_invoices` is missing",
        ),
    ] {
        books.run(sql).await;
        let differences = books.outbox.check().await.unwrap();
        assert!(differences.contains(&expected.to_owned()), "{sql}: {differences:?}");
        books.outbox.install().await.unwrap();
        assert_eq!(books.outbox.check().await.unwrap(), Vec::<String>::new(), "{sql}");
    }
    let earlier = books.of(&registries::before::REGISTRY);
    assert!(
        earlier
            .check()
            .await
            .unwrap()
            .contains(&"the trigger `cache_runtime_insert_flags` is of a table that is not declared".to_owned())
    );
    earlier.install().await.unwrap();
    assert_eq!(earlier.check().await.unwrap(), Vec::<String>::new());
    books.outbox.install().await.unwrap();
    assert_eq!(books.outbox.check().await.unwrap(), Vec::<String>::new());
    books.outbox.remove().await.unwrap();
    books.run("INSERT INTO invoices (company_id) VALUES (1)").await;
    let left = books
        .connection
        .fetch_all("SELECT 1 FROM sqlite_master WHERE name LIKE 'cache_runtime%'")
        .await
        .unwrap();
    assert!(left.is_empty());
}

#[tokio::test]
async fn what_waits_is_bounded() {
    let mut books = Books::open().await;
    let source = "(SELECT id FROM cache_runtime_sources WHERE declaration ->> '$.table' = 'invoices')";
    let numbers = "WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 20000)";
    for (key, left) in [("'[' || (n % 10) || ']'", 10), ("'[' || n || ']'", 1)] {
        books
            .run(&format!(
                "{numbers} INSERT INTO cache_runtime_outbox (source, key) SELECT {source}, {key} FROM n"
            ))
            .await;
        assert!(books.outbox.clone().backlog().await.unwrap().oldest.is_some());
        assert_eq!(books.written().await.len(), left);
    }
}

#[cached(resource = crate::sqlite_resources::sqlite_invoices, scope(company))]
async fn invoices_of(company: i64, books: &str) -> i64 {
    let mut connection = SqliteConnectOptions::new()
        .filename(books)
        .read_only(true)
        .connect()
        .await
        .expect("the file is there");
    let sum = sqlx::query("SELECT COALESCE(sum(amount), 0) FROM invoices WHERE company_id = $1").bind(company);
    connection.fetch_one(sum).await.expect("a sum").get(0)
}

#[tokio::test]
async fn what_the_shell_of_sqlite_changes_shows_in_the_next_read() {
    let mut books = Books::open().await;
    books
        .run("INSERT INTO invoices (id, company_id, amount) VALUES (1, 1, 7), (2, 2, 8)")
        .await;
    let cache = Cache::builder().build();
    let path = books.path.display().to_string();
    let relay = cache.follow(books.outbox.clone()).start().unwrap();
    with_cache(cache.clone(), async {
        relay.until(|status| status.relayed > 0).await;
        assert_eq!((invoices_of(1, &path).await, invoices_of(2, &path).await), (7, 8));
        let change = "UPDATE invoices SET amount = amount + 1";
        match Command::new("sqlite3").arg(&path).arg(change).status() {
            Ok(status) => assert!(status.success()),
            // Without the shell another connection has to do.
            Err(_) => books.run(change).await,
        }
        relay.until(|status| status.relayed >= 3).await;
        assert_eq!((invoices_of(1, &path).await, invoices_of(2, &path).await), (8, 9));
    })
    .await;
    until("nothing is left", async || books.written().await.is_empty()).await;
}

#[tokio::test]
async fn one_of_two_relays_works_and_the_other_takes_over() {
    let mut books = Books::open().await;
    let (mut first, mut second) = (books.outbox.clone(), books.outbox.clone());
    books.run("INSERT INTO invoices (company_id) VALUES (1)").await;
    assert!(matches!(first.take().await.unwrap(), Taken::Changes(changes) if changes.len() == 1));
    let Taken::Standby(backlog) = second.take().await.unwrap() else {
        panic!("the first one has the work")
    };
    assert!(backlog.oldest.is_some());
    first.stand_down().await.unwrap();
    assert!(matches!(second.take().await.unwrap(), Taken::Changes(changes) if changes.len() == 1));
    second.acknowledge().await.unwrap();
    assert!(matches!(second.take().await.unwrap(), Taken::Changes(changes) if changes.is_empty()));
}

#[tokio::test]
async fn a_relay_that_cannot_do_the_work_leaves_it_to_others_also_when_it_has_nothing_in_its_hands() {
    let mut books = Books::open().await;
    let (mut first, mut second) = (books.outbox.clone(), books.outbox.clone());
    books.run("INSERT INTO invoices (company_id) VALUES (1)").await;
    assert!(matches!(first.take().await.unwrap(), Taken::Changes(changes) if changes.len() == 1));
    first.acknowledge().await.unwrap();
    first.stand_down().await.unwrap();
    books.run("INSERT INTO invoices (company_id) VALUES (1)").await;
    assert!(matches!(second.take().await.unwrap(), Taken::Changes(changes) if changes.len() == 1));
}

#[tokio::test]
async fn a_relay_that_stands_by_waits_for_no_writer() {
    let mut books = Books::open().await;
    let (mut working, mut waiting) = (books.outbox.clone(), books.outbox.clone());
    books.run("INSERT INTO invoices (company_id) VALUES (1)").await;
    assert!(matches!(working.take().await.unwrap(), Taken::Changes(changes) if changes.len() == 1));
    books.run("BEGIN IMMEDIATE").await;
    assert!(matches!(waiting.take().await.unwrap(), Taken::Standby(_)));
    books.run("COMMIT").await;
}

#[tokio::test]
async fn a_file_that_is_not_there_yet_is_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("books.db");
    let cache = Cache::builder().build();
    let relay = cache
        .follow(SqliteOutbox::new(SqliteConnectOptions::new().filename(&path)).registry(&REGISTRY))
        .start()
        .unwrap();
    relay.until(|status| status.state == RelayState::WithoutSource).await;
    assert!(relay.status().is_behind(Duration::from_mins(1)));
    let mut connection = SqliteConnectOptions::new()
        .filename(&path)
        .create_if_missing(true)
        .connect()
        .await
        .unwrap();
    connection.execute(sqlx::raw_sql(TABLES)).await.unwrap();
    SqliteOutbox::new(SqliteConnectOptions::new().filename(&path))
        .registry(&REGISTRY)
        .install()
        .await
        .unwrap();
    connection
        .execute("INSERT INTO invoices (company_id) VALUES (1)")
        .await
        .unwrap();
    relay.until(|status| status.relayed > 0).await;
}

#[tokio::test]
async fn a_relay_that_is_stopped_leaves_the_work_at_once() {
    let mut books = Books::open().await;
    let (first, second) = (Cache::builder().build(), Cache::builder().build());
    let relays = [&first, &second].map(|cache| cache.follow(books.outbox.clone()).start().unwrap());
    books.run("INSERT INTO invoices (company_id) VALUES (1)").await;
    until("it is relayed", async || {
        relays.iter().map(|relay| relay.status().relayed).sum::<u64>() == 1
    })
    .await;
    let worker = usize::from(relays[1].status().relayed == 1);
    // Either way of ending it, by the number of the one that works.
    match worker {
        0 => relays[0].stop().await,
        _ => drop(second.close().await),
    }
    // Nobody has to miss it before another one may begin.
    let until: f64 = sqlx::query_scalar("SELECT until FROM cache_runtime_relay")
        .fetch_one(&mut books.connection)
        .await
        .unwrap();
    assert!(until.abs() < f64::EPSILON, "{until}");
    books.run("INSERT INTO invoices (company_id) VALUES (2)").await;
    relays[1 - worker].until(|status| status.relayed == 1).await;
}
