//! What is put into a PostgreSQL, and what is said of it.

use std::fmt;

use cache_runtime::changes::{PostgresOutbox, Triggers, TriggersError};
use cache_testkit::PostgresServer;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};

use crate::books::Books;

mod registries {
    pub(super) mod without_table {
        cache_runtime::resources! { of_invoces { ttl = 60 } table invoces => of_invoces; }
    }
    pub(super) mod without_column {
        cache_runtime::resources! {
            of_orders { ttl = 60, scope(order_of: i64) }
            table orders => of_orders(order_of = company);
        }
    }
    pub(super) mod of_a_view {
        cache_runtime::resources! { of_view { ttl = 60 } table late => of_view; }
    }
    pub(super) mod of_numbers {
        cache_runtime::resources! { of_rates { ttl = 60, scope(at: String) } table accounting.rates => of_rates(at = rate); }
    }
    pub(super) mod of_times {
        cache_runtime::resources! { of_times { ttl = 60, scope(moment: String) } table times => of_times(moment); }
    }
    pub(super) mod of_other_texts {
        cache_runtime::resources! { of_names { ttl = 60, scope(called: String) } table names => of_names(called = name); }
    }
    pub(super) mod of_fine_types {
        cache_runtime::resources! {
            fine { ttl = 60, scope(a: String, b: String, c: String, d: String) }
            table fine => fine(a = day), fine(b = mood), fine(c = id), fine(d = yes), fine(a = number), fine(b = short);
        }
    }
    pub(super) mod before {
        cache_runtime::resources! { earlier { ttl = 60, scope(company: i64) } table invoices => earlier; table orders => earlier; }
    }
    pub(super) mod without_tables {
        cache_runtime::resources! { nothing_of_a_table { ttl = 60 } }
    }
}

async fn error(triggers: &impl Triggers) -> String {
    let error: TriggersError = triggers.install().await.expect_err("there is something wrong");
    let printed = triggers.sql().await.expect_err("there is something wrong");
    let checked = triggers.check().await.expect_err("there is something wrong");
    assert_eq!(error.to_string(), printed.to_string());
    assert_eq!(error.to_string(), checked.to_string());
    error.to_string()
}

/// An outbox as the registry of a module here wants it.
macro_rules! outbox {
    ($books:ident, $module:ident) => {
        PostgresOutbox::new($books.server.url().parse().unwrap()).registry(&registries::$module::REGISTRY)
    };
}

#[tokio::test]
async fn what_is_declared_and_not_there_is_named_with_what_is_most_like_it() {
    let books = Books::without_triggers(PostgresServer::start().unwrap()).await;
    books
        .run(
            "CREATE VIEW late AS SELECT * FROM invoices; CREATE TABLE times (moment timestamptz);
             CREATE COLLATION loose (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
             CREATE TABLE names (name text COLLATE loose)",
        )
        .await;
    assert_eq!(
        error(&outbox!(books, without_table)).await,
        "there is no table `invoces` in the database\nhelp: did you mean `invoices`?"
    );
    assert_eq!(
        error(&outbox!(books, without_column)).await,
        "the table `orders` has no column `company`; it has `id`, `tenant_id`, `company_id`\nhelp: did you mean `company_id`?"
    );
    assert_eq!(
        error(&outbox!(books, of_a_view)).await,
        "`late` is a view, which has no triggers of this kind: declare the tables that its rows come from"
    );
    let numbers = error(&outbox!(books, of_numbers)).await;
    assert!(
        numbers.starts_with("the column `rate` of the table `accounting.rates` is `numeric`: 1.5 and 1.50 are equal"),
        "{numbers}"
    );
    let times = error(&outbox!(books, of_times)).await;
    assert!(
        times.contains("`timestamp with time zone`: its values can be written in more than one way"),
        "{times}"
    );
    let texts = error(&outbox!(books, of_other_texts)).await;
    assert!(
        texts.contains("texts are equal there that are not written the same way"),
        "{texts}"
    );
    assert!(
        error(&outbox!(books, without_tables))
            .await
            .starts_with("no table is declared")
    );
    let nowhere = PostgresOutbox::new("postgres://nobody@127.0.0.1:1/nothing".parse().unwrap());
    let unreachable = nowhere.check().await.expect_err("there is no server").to_string();
    assert!(
        unreachable.starts_with("the database cannot be reached: "),
        "{unreachable}"
    );
}

#[tokio::test]
async fn columns_of_types_with_one_spelling_fill_scopes_as_rust_writes_them() {
    let books = Books::without_triggers(PostgresServer::start().unwrap()).await;
    books
        .run(
            "CREATE TYPE mood AS ENUM ('glad', 'so so'); CREATE DOMAIN short AS varchar(5);
             CREATE TABLE fine (day date, mood mood, id uuid, yes boolean, number integer, short short)",
        )
        .await;
    outbox!(books, of_fine_types).install().await.unwrap();
    books.settle().await;
    let written = books
        .written_by(
            "BEGIN; SET LOCAL datestyle = 'German'; INSERT INTO fine VALUES
             ('2026-11-30', 'so so', 'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11', true, -7, 'abc'); COMMIT",
        )
        .await;
    assert_eq!(
        written,
        ["fine 2026-11-30,so so,a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11,true,-7,abc"]
    );
}

#[tokio::test]
async fn a_migration_with_what_is_printed_passes_the_check_and_may_be_run_again() {
    let books = Books::without_triggers(PostgresServer::start().unwrap()).await;
    let nothing = books.outbox.check().await.unwrap();
    assert_eq!(nothing, ["nothing is installed in the schema `cache_runtime`"]);
    let sql = books.outbox.sql().await.unwrap();
    for _ in 0..2 {
        // As a tool for migrations does it that knows nothing of this: one query in a transaction, with the path of another schema.
        let mut connection = PgConnection::connect(&books.server.url()).await.unwrap();
        connection
            .execute("CREATE SCHEMA IF NOT EXISTS elsewhere; SET search_path = elsewhere")
            .await
            .unwrap();
        let mut transaction = connection.begin().await.unwrap();
        transaction
            .execute(sqlx::raw_sql(AssertSqlSafe(sql.clone())))
            .await
            .unwrap();
        transaction.commit().await.unwrap();
        assert_eq!(books.outbox.check().await.unwrap(), Vec::<String>::new());
    }
    assert_eq!(books.outbox.sql().await.unwrap(), sql);
    // And as that of sqlx does it.
    books.outbox.remove().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("1_cache_triggers.sql"), sql).unwrap();
    let migrator = sqlx::migrate::Migrator::new(folder.path()).await.unwrap();
    migrator.run(&books.pool).await.unwrap();
    assert_eq!(books.outbox.check().await.unwrap(), Vec::<String>::new());
    books.settle().await;
    assert_eq!(
        books.written_by("INSERT INTO articles VALUES (1, 3)").await,
        ["articles 3"]
    );
}

/// Each of some statements, and what the check says after it.
async fn assert_noticed(books: &Books, outbox: &PostgresOutbox, changes: &[(&str, &str)]) {
    for (sql, expected) in changes {
        books.run(sql).await;
        let differences = outbox.check().await.expect("a check");
        assert!(
            differences.iter().any(|difference| difference.contains(expected)),
            "{sql}: {differences:?}"
        );
        outbox.install().await.expect("the triggers");
        assert_eq!(
            outbox.check().await.expect("a check"),
            Vec::<String>::new(),
            "installed anew after {sql}"
        );
    }
}

#[tokio::test]
async fn what_is_not_installed_as_it_should_be_is_found_and_mended() {
    let books = Books::open().await;
    let trigger =
        "(SELECT tgname FROM pg_trigger WHERE tgrelid = 'invoices'::regclass AND tgname LIKE 'cache_runtime_update%')";
    let changes = [
        (
            format!("DO $$ BEGIN EXECUTE format('DROP TRIGGER %I ON invoices', {trigger}); END $$"),
            "the trigger for `update` of the table `invoices` is missing",
        ),
        (
            format!("DO $$ BEGIN EXECUTE format('ALTER TABLE invoices DISABLE TRIGGER %I', {trigger}); END $$"),
            "the trigger for `update` of the table `invoices` is not enabled as it should be",
        ),
        ("ALTER TABLE articles DISABLE TRIGGER ALL".to_owned(), "of the table `articles` is not enabled as it should be"),
        (
            "CREATE OR REPLACE FUNCTION cache_runtime.tree() RETURNS TABLE (relation text, function text, member oid, is_within boolean)
             LANGUAGE sql AS 'SELECT NULL::text, NULL::text, NULL::oid, NULL::boolean WHERE false'"
                .to_owned(),
            "the function `cache_runtime.tree` is another one than what is declared needs",
        ),
        (
            "CREATE TABLE events_january PARTITION OF events FOR VALUES FROM ('2027-01-01') TO ('2027-02-01')".to_owned(),
            "of the table `events_january` is missing",
        ),
    ];
    let changes: Vec<(&str, &str)> = changes
        .iter()
        .map(|(sql, expected)| (sql.as_str(), *expected))
        .collect();
    assert_noticed(&books, &books.outbox, &changes).await;
}

#[tokio::test]
async fn what_another_version_has_installed_is_brought_up_to_date_and_back() {
    let books = Books::open().await;
    let earlier = outbox!(books, before);
    let differences = earlier.check().await.unwrap();
    assert!(
        differences.contains(&"what is installed for the table `invoices` is of another declaration".to_owned()),
        "{differences:?}"
    );
    assert!(
        differences.contains(&"triggers are installed for the table `articles`, which is not declared".to_owned()),
        "{differences:?}"
    );
    earlier.install().await.unwrap();
    assert_eq!(earlier.check().await.unwrap(), Vec::<String>::new());
    books.settle().await;
    assert!(books.written_by("INSERT INTO articles VALUES (1, 3)").await.is_empty());
    assert_eq!(
        books.written_by("INSERT INTO invoices (company_id) VALUES (1)").await,
        ["invoices "]
    );
    books.outbox.install().await.unwrap();
    assert_eq!(books.outbox.check().await.unwrap(), Vec::<String>::new());
    books.settle().await;
    assert_eq!(
        books.written_by("INSERT INTO invoices (company_id) VALUES (1)").await,
        ["invoices 1,2026"]
    );
}

#[tokio::test]
async fn nothing_is_left_of_what_is_removed() {
    let books = Books::open().await;
    books.outbox.remove().await.unwrap();
    books.run("INSERT INTO invoices (company_id) VALUES (1)").await;
    let left: i64 = sqlx::query_scalar(
        "SELECT (SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'cache_runtime%') + (SELECT count(*) FROM pg_namespace WHERE nspname = 'cache_runtime')",
    )
    .fetch_one(&books.pool)
    .await
    .unwrap();
    assert_eq!(left, 0);
    // Nothing was there any more.
    books.outbox.remove().await.unwrap();

    books.outbox.install().await.unwrap();
    books.run("CREATE TABLE cache_runtime.of_somebody_else ()").await;
    books.outbox.remove().await.unwrap();
    books.run("SELECT FROM cache_runtime.of_somebody_else").await;
}

#[tokio::test]
async fn two_services_share_a_database_in_schemas_of_their_own() {
    let books = Books::open().await;
    let other = outbox!(books, before).schema("other_service");
    other.install().await.unwrap();
    assert_eq!(other.check().await.unwrap(), Vec::<String>::new());
    assert_eq!(books.outbox.check().await.unwrap(), Vec::<String>::new());
    books.settle().await;
    books.run("DELETE FROM other_service.outbox").await;
    assert_eq!(
        books.written_by("INSERT INTO invoices (company_id) VALUES (1)").await,
        ["invoices 1,2026"]
    );
    let others: i64 = sqlx::query_scalar("SELECT count(*) FROM other_service.outbox")
        .fetch_one(&books.pool)
        .await
        .unwrap();
    assert_eq!(others, 1);
    other.remove().await.unwrap();
    assert_eq!(books.outbox.check().await.unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn who_writes_and_who_relays_need_no_more_rights_than_the_book_says() {
    use cache_runtime::changes::{ChangeSource as _, Taken};

    let books = Books::open().await;
    books
        .run(
            "CREATE ROLE writer LOGIN; GRANT SELECT, INSERT, UPDATE, DELETE ON invoices TO writer;
             CREATE ROLE relay LOGIN; GRANT USAGE ON SCHEMA cache_runtime TO relay;
             GRANT SELECT, INSERT, UPDATE, DELETE ON cache_runtime.outbox TO relay;
             GRANT SELECT ON cache_runtime.sources TO relay;
             GRANT EXECUTE ON FUNCTION cache_runtime.keep_up() TO relay",
        )
        .await;
    let mut writer = PgConnection::connect(&books.server.url_of("writer", "postgres"))
        .await
        .unwrap();
    writer
        .execute("INSERT INTO invoices (company_id) VALUES (NULL)")
        .await
        .unwrap();
    books
        .run("CREATE TABLE events_january PARTITION OF events FOR VALUES FROM ('2027-01-01') TO ('2027-02-01')")
        .await;
    let mut relay = PostgresOutbox::new(books.server.url_of("relay", "postgres").parse().unwrap());
    let Taken::Changes(changes) = relay.take().await.unwrap() else {
        panic!("nobody else relays");
    };
    assert_eq!(changes.len(), 1);
    relay.acknowledge().await.unwrap();
    assert!(books.written().await.is_empty());
    assert_eq!(
        books.outbox.check().await.unwrap(),
        Vec::<String>::new(),
        "partitions are kept up with"
    );
    let log = books.server.log();
    assert!(!log.contains("permission denied"), "{log}");
}

#[test]
#[should_panic(expected = "`public` cannot be the schema of an outbox")]
fn a_schema_that_is_not_the_outboxs_own_is_refused() {
    let _ = PostgresOutbox::new("postgres://localhost".parse().unwrap()).schema("public");
}

#[test]
fn a_password_is_not_shown() {
    let outbox = PostgresOutbox::new("postgres://app:s3cret@db.example/books".parse().unwrap());
    let shown = fmt::format(format_args!("{outbox:?}"));
    assert!(shown.contains("db.example") && !shown.contains("s3cret"), "{shown}");
}
