//! What fires, on a PostgreSQL.

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
            "MERGE INTO invoices USING (VALUES (1, 7), (9, 8)) AS n (id, company) ON invoices.id = n.id
             WHEN MATCHED THEN UPDATE SET company_id = n.company
             WHEN NOT MATCHED THEN INSERT (id, company_id) VALUES (n.id, n.company)",
            &["invoices 5,2026", "invoices 7,2026", "invoices 8,2026"],
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
