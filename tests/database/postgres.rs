//! What fires, on a PostgreSQL.

use cache_runtime::changes::{ChangeSource as _, Taken, Triggers as _};
use cache_testkit::{PostgresServer, until};
use sqlx::{Connection as _, Executor as _, PgConnection};

use crate::books::Books;

#[tokio::test]
async fn every_kind_of_statement_is_written_down_once_for_each_value() {
    let books = Books::open().await;
    for (sql, expected) in [
        (
            "INSERT INTO invoices (id, company_id) VALUES (1, 1), (2, 1), (3, 2)",
            &["invoices 1,2026", "invoices 2,2026"][..],
        ),
        ("UPDATE invoices SET amount = 7 WHERE id = 1", &["invoices 1,2026"]),
        (
            "UPDATE invoices SET company_id = 3 WHERE id = 3",
            &["invoices 2,2026", "invoices 3,2026"],
        ),
        ("UPDATE invoices SET amount = 7 WHERE false", &[]),
        ("DELETE FROM invoices WHERE id = 3", &["invoices 3,2026"]),
        ("DELETE FROM invoices WHERE id = 3", &[]),
        (
            "INSERT INTO invoices (id, company_id) VALUES (1, 5), (4, 6) ON CONFLICT (id) DO UPDATE SET company_id = excluded.company_id",
            &["invoices 1,2026", "invoices 5,2026", "invoices 6,2026"],
        ),
        (
            "INSERT INTO invoices (id, company_id) VALUES (1, 9) ON CONFLICT DO NOTHING",
            &[],
        ),
        (
            "INSERT INTO invoices (id, company_id) VALUES (10, NULL)",
            &["invoices null,2026"],
        ),
        (
            "WITH moved AS (DELETE FROM invoices WHERE id = 10 RETURNING *) INSERT INTO invoices (id, company_id) SELECT 11, 4 FROM moved",
            &["invoices 4,2026", "invoices null,2026"],
        ),
        (
            "BEGIN; INSERT INTO invoices (id, company_id) VALUES (12, 1); ROLLBACK",
            &[],
        ),
        (
            "UPDATE companies SET id = 1000 WHERE id = 4",
            &["companies 1000", "companies 4", "invoices 1000,2026", "invoices 4,2026"],
        ),
        (
            "DELETE FROM companies WHERE id = 1000",
            &["companies 1000", "invoices 1000,2026"],
        ),
        ("TRUNCATE invoices", &["invoices *"]),
        ("TRUNCATE companies CASCADE", &["companies *", "invoices *"]),
        (
            "INSERT INTO accounting.rates VALUES ('EUR', 1.5)",
            &["accounting.rates EUR"],
        ),
        ("INSERT INTO \"Odd Names\" VALUES (7, 'x')", &["Odd Names 7"]),
        ("INSERT INTO letters VALUES (1, 7)", &["letters 7"]),
        ("INSERT INTO articles VALUES (1, 3)", &["articles 3"]),
        (
            "INSERT INTO orders VALUES (1, 'a', 3), (2, NULL, 4)",
            &["orders a,3", "orders null,4"],
        ),
    ] {
        assert_eq!(books.written_by(sql).await, expected, "{sql}");
    }
}

#[tokio::test]
async fn a_table_of_which_no_column_matters_is_written_down_without_values() {
    let books = Books::open().await;
    for (sql, expected) in [
        ("INSERT INTO settings VALUES ('a', 'b'), ('c', 'd')", &["settings "][..]),
        ("UPDATE settings SET value = 'x'", &["settings "]),
        ("DELETE FROM settings", &["settings "]),
        ("DELETE FROM settings", &[]),
    ] {
        assert_eq!(books.written_by(sql).await, expected, "{sql}");
    }
    let log = books.server.log();
    assert!(!log.contains("is not written down"), "{log}");
}

#[tokio::test]
async fn whose_path_is_searched_makes_no_difference() {
    let books = Books::open().await;
    // A schema with names of the catalogue in it, before that one: what they stand for must not be used.
    books
        .run(
            "CREATE SCHEMA other;
             CREATE FUNCTION other.refuse(text, text) RETURNS boolean LANGUAGE plpgsql AS
                 $$ BEGIN RAISE EXCEPTION 'another operator was used'; END $$;
             CREATE OPERATOR other.= (LEFTARG = text, RIGHTARG = text, FUNCTION = other.refuse);
             CREATE OPERATOR other.<> (LEFTARG = text, RIGHTARG = text, FUNCTION = other.refuse);
             CREATE FUNCTION other.pg_notify(text, text) RETURNS void LANGUAGE plpgsql AS
                 $$ BEGIN RAISE EXCEPTION 'another function was used'; END $$;
             CREATE DOMAIN other.text AS integer;
             CREATE DOMAIN other.regclass AS integer;
             CREATE TABLE other.cache_new (company_id integer);
             CREATE TABLE other.outbox ()",
        )
        .await;
    let mut connection = PgConnection::connect(&books.server.url()).await.unwrap();
    connection
        .execute("SET search_path = other, pg_catalog, public")
        .await
        .unwrap();
    for (sql, expected) in [
        (
            "INSERT INTO invoices (id, company_id) VALUES (1, 1)",
            &["invoices 1,2026"][..],
        ),
        (
            "UPDATE invoices SET company_id = 2",
            &["invoices 1,2026", "invoices 2,2026"],
        ),
        ("INSERT INTO orders VALUES (1, 'a', 3)", &["orders a,3"]),
        ("TRUNCATE invoices", &["invoices *"]),
    ] {
        connection.execute(sql).await.unwrap();
        assert_eq!(books.written().await, expected, "{sql}");
    }
    let log = books.server.log();
    assert!(!log.contains("is not written down"), "{log}");
}

#[tokio::test]
async fn a_merge_is_written_down() {
    let books = Books::open().await;
    let version: i32 = sqlx::query_scalar("SELECT current_setting('server_version_num')::integer")
        .fetch_one(&books.pool)
        .await
        .unwrap();
    if version < 150_000 {
        return;
    }
    books
        .run("INSERT INTO invoices (id, company_id) VALUES (1, 5), (2, 6)")
        .await;
    books.settle().await;
    let sql = "MERGE INTO invoices USING (VALUES (1, 7), (9, 8)) AS n (id, company) ON invoices.id = n.id
               WHEN MATCHED THEN UPDATE SET company_id = n.company
               WHEN NOT MATCHED THEN INSERT (id, company_id) VALUES (n.id, n.company)";
    let expected = ["invoices 5,2026", "invoices 7,2026", "invoices 8,2026"];
    assert_eq!(books.written_by(sql).await, expected);
}

#[tokio::test]
async fn a_partition_is_seen_however_it_is_named() {
    let books = Books::open().await;
    for (sql, expected) in [
        (
            "INSERT INTO events VALUES (1, '2026-10-02'), (2, '2026-11-02')",
            &["events 1", "events 2"][..],
        ),
        ("INSERT INTO events_october VALUES (3, '2026-10-02')", &["events 3"]),
        ("UPDATE events SET what = 'x' WHERE company_id = 3", &["events 3"]),
        (
            "UPDATE events_october SET what = 'x' WHERE company_id = 3",
            &["events 3"],
        ),
        // Into another partition.
        (
            "UPDATE events SET day = '2026-11-03' WHERE company_id = 3",
            &["events 3"],
        ),
        ("DELETE FROM events_november WHERE company_id = 3", &["events 3"]),
        ("TRUNCATE events_october", &["events *"]),
        ("TRUNCATE events", &["events *"]),
    ] {
        assert_eq!(books.written_by(sql).await, expected, "{sql}");
    }
}

#[tokio::test]
async fn partitions_that_come_and_go_are_kept_up_with() {
    let books = Books::open().await;
    books
        .run("CREATE TABLE events_december PARTITION OF events FOR VALUES FROM ('2026-12-01') TO ('2027-01-01')")
        .await;
    // By the name of the parent from the first moment on.
    assert_eq!(
        books.written_by("INSERT INTO events VALUES (4, '2026-12-02')").await,
        ["events 4"]
    );
    let missed = books
        .written_by("INSERT INTO events_december VALUES (5, '2026-12-02')")
        .await;
    assert!(missed.is_empty(), "{missed:?}");
    // With the triggers comes a change of all rows, which covers what was missed.
    assert_eq!(books.written_by("SELECT cache_runtime.keep_up()").await, ["events *"]);
    assert_eq!(
        books
            .written_by("INSERT INTO events_december VALUES (6, '2026-12-02')")
            .await,
        ["events 6"]
    );
    assert!(books.written_by("SELECT cache_runtime.keep_up()").await.is_empty());

    books.run("ALTER TABLE events DETACH PARTITION events_december").await;
    assert_eq!(books.written_by("SELECT cache_runtime.keep_up()").await, ["events *"]);
    assert!(
        books
            .written_by("INSERT INTO events_december VALUES (7, '2026-12-02')")
            .await
            .is_empty()
    );
    books
        .run("ALTER TABLE events ATTACH PARTITION events_december FOR VALUES FROM ('2026-12-01') TO ('2027-01-01')")
        .await;
    assert_eq!(books.written_by("SELECT cache_runtime.keep_up()").await, ["events *"]);
    books.run("DROP TABLE events_december").await;
    assert_eq!(books.written_by("SELECT cache_runtime.keep_up()").await, ["events *"]);
}

#[tokio::test]
async fn of_too_many_values_all_rows_are_meant() {
    let books = Books::open().await;
    let hundred = books
        .written_by("INSERT INTO invoices (company_id) SELECT n FROM generate_series(1, 100) AS n")
        .await;
    assert_eq!(hundred.len(), 100);
    let more = books
        .written_by("INSERT INTO invoices (company_id) SELECT n FROM generate_series(1, 101) AS n")
        .await;
    assert!(more.contains(&"invoices *".to_owned()), "{more:?}");
    // Of as many companies of few tenants all of these tenants'.
    let of_tenants = books
        .written_by("INSERT INTO orders SELECT n, 't' || n % 2, n FROM generate_series(1, 1000) AS n")
        .await;
    assert!(of_tenants.contains(&"orders t0,null".to_owned()), "{of_tenants:?}");
    assert!(of_tenants.contains(&"orders t1,null".to_owned()), "{of_tenants:?}");
    assert!(!of_tenants.contains(&"orders *".to_owned()), "{of_tenants:?}");
    let of_many = books.written_by("UPDATE orders SET tenant_id = 't' || id").await;
    assert!(of_many.contains(&"orders *".to_owned()), "{of_many:?}");
}

#[tokio::test]
async fn what_is_copied_in_is_written_down() {
    let books = Books::open().await;
    let mut connection = PgConnection::connect(&books.server.url()).await.unwrap();
    let mut copy = connection
        .copy_in_raw("COPY invoices (company_id, year) FROM STDIN")
        .await
        .unwrap();
    copy.send(&b"1\t2025\n1\t2025\n2\t2026\n"[..]).await.unwrap();
    copy.finish().await.unwrap();
    assert_eq!(books.written().await, ["invoices 1,2025", "invoices 2,2026"]);
    let mut copy = connection.copy_in_raw("COPY events_october FROM STDIN").await.unwrap();
    copy.send(&b"7\t2026-10-03\tx\n"[..]).await.unwrap();
    copy.finish().await.unwrap();
    assert_eq!(books.written().await, ["events 7"]);
}

#[tokio::test]
async fn what_a_session_writes_as_a_replica_is_written_down() {
    let books = Books::open().await;
    let mut connection = PgConnection::connect(&books.server.url()).await.unwrap();
    connection
        .execute("SET session_replication_role = replica")
        .await
        .unwrap();
    for (sql, expected) in [
        (
            "INSERT INTO invoices (id, company_id) VALUES (1, 1)",
            &["invoices 1,2026"][..],
        ),
        (
            "UPDATE invoices SET company_id = 2",
            &["invoices 1,2026", "invoices 2,2026"],
        ),
        ("DELETE FROM invoices", &["invoices 2,2026"]),
        ("INSERT INTO events VALUES (3, '2026-10-02')", &["events 3"]),
        ("TRUNCATE events", &["events *"]),
    ] {
        connection.execute(sql).await.unwrap();
        assert_eq!(books.written().await, expected, "{sql}");
    }
}

#[tokio::test]
async fn what_a_subscription_applies_is_written_down() {
    let publisher = PostgresServer::builder()
        .config("wal_level", "logical")
        .start()
        .unwrap();
    let (publisher, books) = (Books::without_triggers(publisher).await, Books::open().await);
    publisher
        .run("CREATE PUBLICATION books FOR TABLE invoices, events, articles")
        .await;
    publisher.run("INSERT INTO articles VALUES (1, 9)").await;
    books.settle().await;
    books
        .run(&format!(
            "CREATE SUBSCRIPTION books CONNECTION 'host=127.0.0.1 port={} user=postgres dbname=postgres' PUBLICATION books",
            publisher.server.port()
        ))
        .await;
    let written = async |sql: &'static str, expected: &'static [&'static str]| {
        publisher.run(sql).await;
        let mut seen = Vec::new();
        until("the subscription has applied it", async || {
            seen.extend(books.written().await);
            seen.sort();
            seen.dedup();
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            seen.len() >= expected.len()
        })
        .await;
        assert_eq!(seen, expected, "{sql}");
    };
    // What was there before the subscription is copied.
    written("SELECT", &["articles 9"]).await;
    written(
        "INSERT INTO invoices (id, company_id) VALUES (1, 1), (2, 3)",
        &["invoices 1,2026", "invoices 3,2026"],
    )
    .await;
    written(
        "UPDATE invoices SET company_id = 2 WHERE id = 1",
        &["invoices 1,2026", "invoices 2,2026"],
    )
    .await;
    written("INSERT INTO events VALUES (4, '2026-10-02')", &["events 4"]).await;
    written("TRUNCATE invoices", &["invoices *"]).await;
    books.run("DROP SUBSCRIPTION books").await;
}

#[tokio::test]
async fn tables_that_inherit_are_seen_however_they_are_named() {
    let books = Books::open().await;
    books
        .run("CREATE TABLE special_articles (note text) INHERITS (articles)")
        .await;
    assert_eq!(books.outbox.check().await.unwrap().len(), 5);
    books.run("SELECT cache_runtime.keep_up()").await;
    assert_eq!(books.outbox.check().await.unwrap(), Vec::<String>::new());
    books.settle().await;
    for (sql, expected) in [
        ("INSERT INTO special_articles VALUES (1, 3, 'x')", &["articles 3"][..]),
        (
            "UPDATE articles SET author_id = 4 WHERE id = 1",
            &["articles 3", "articles 4"],
        ),
        ("DELETE FROM special_articles", &["articles 4"]),
        (
            "ALTER TABLE special_articles NO INHERIT articles; SELECT cache_runtime.keep_up()",
            &["articles *"],
        ),
        ("INSERT INTO special_articles VALUES (1, 3, 'x')", &[]),
    ] {
        assert_eq!(books.written_by(sql).await, expected, "{sql}");
    }
}

#[tokio::test]
async fn what_no_trigger_sees_can_be_said_by_hand() {
    let books = Books::open().await;
    assert_eq!(
        books.written_by("SELECT cache_runtime.touch('accounting.rates')").await,
        ["accounting.rates *"]
    );
    let error = books
        .pool
        .execute("SELECT cache_runtime.touch('rates')")
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("no table is declared as 'rates'"), "{error}");
}

#[tokio::test]
async fn statements_of_every_isolation_level_are_written_down_and_none_waits_for_another_one() {
    let books = Books::open().await;
    let mut connections = Vec::new();
    for level in ["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"] {
        let mut connection = PgConnection::connect(&books.server.url()).await.unwrap();
        connection
            .execute(sqlx::AssertSqlSafe(format!(
                "BEGIN ISOLATION LEVEL {level}; SET LOCAL lock_timeout = '1s'"
            )))
            .await
            .unwrap();
        connections.push(connection);
    }
    // All of them say the same, and none has committed.
    for connection in &mut connections {
        connection
            .execute("INSERT INTO articles VALUES (trunc(random() * 1e9), 3)")
            .await
            .unwrap();
    }
    for connection in &mut connections {
        connection.execute("COMMIT").await.unwrap();
        assert_eq!(books.written().await, ["articles 3"]);
    }
}

#[tokio::test]
async fn what_waits_is_bounded() {
    let books = Books::open().await;
    let mut outbox = books.outbox.clone();
    let waiting = async || -> i64 {
        sqlx::query_scalar("SELECT count(*) FROM cache_runtime.outbox")
            .fetch_one(&books.pool)
            .await
            .unwrap()
    };
    // Rows that say the same.
    books
        .run(
            "INSERT INTO cache_runtime.outbox (source, key)
             SELECT id, ARRAY[(n % 10)::text, '2026'] FROM cache_runtime.sources, generate_series(1, 20000) AS n
             WHERE declaration ->> 'table' = 'invoices'",
        )
        .await;
    outbox.stand_down().await.unwrap();
    assert!(outbox.backlog().await.unwrap().oldest.is_some());
    assert_eq!(waiting().await, 10);
    // Rows that do not.
    books
        .run(
            "INSERT INTO cache_runtime.outbox (source, key)
             SELECT id, ARRAY[n::text, '2026'] FROM cache_runtime.sources, generate_series(1, 20000) AS n
             WHERE declaration ->> 'table' = 'invoices'",
        )
        .await;
    outbox.backlog().await.unwrap();
    assert_eq!(books.written().await, ["invoices *"]);
    // What another relay has taken is its own.
    let mut other = books.outbox.clone();
    books.run("INSERT INTO articles VALUES (1, 3)").await;
    let Taken::Changes(taken) = other.take().await.unwrap() else {
        panic!("it has the work")
    };
    assert_eq!(taken.len(), 1);
    books
        .run(
            "INSERT INTO cache_runtime.outbox (source, key)
             SELECT id, ARRAY['3'] FROM cache_runtime.sources, generate_series(1, 10000) AS n
             WHERE declaration ->> 'table' = 'articles'",
        )
        .await;
    outbox.backlog().await.unwrap();
    assert_eq!(
        waiting().await,
        10_001,
        "nothing is gathered while another process works"
    );
    other.stand_down().await.unwrap();
    outbox.backlog().await.unwrap();
    assert_eq!(waiting().await, 1);
}

#[tokio::test]
async fn what_is_taken_is_given_again_until_it_is_acknowledged() {
    let books = Books::open().await;
    let mut outbox = books.outbox.clone();
    books.run("INSERT INTO articles VALUES (1, 3)").await;
    let count = |taken: Taken| match taken {
        Taken::Changes(changes) => Some(changes.len()),
        Taken::Standby(_) => None,
    };
    assert_eq!(count(outbox.take().await.unwrap()), Some(1));
    assert_eq!(count(outbox.take().await.unwrap()), Some(1));
    let mut other = books.outbox.clone();
    assert_eq!(count(other.take().await.unwrap()), None, "another process has the work");
    outbox.stand_down().await.unwrap();
    assert_eq!(count(other.take().await.unwrap()), Some(1));
    drop(other);
    until("the connection of the other one is gone", async || {
        count(outbox.take().await.unwrap()) == Some(1)
    })
    .await;
    outbox.acknowledge().await.unwrap();
    assert_eq!(count(outbox.take().await.unwrap()), Some(0));
}
