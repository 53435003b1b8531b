//! What the functions of the tests of SQLite are cached as, and the tables that they read.

cache_runtime::resources! {
    sqlite_invoices { ttl = "1h", scope(company: i64) }
    sqlite_companies { ttl = "1h" }
    sqlite_flags { ttl = "1h", scope(yes: bool, uuid: String, anything: String) }

    table invoices => sqlite_invoices(company = company_id);
    table companies => sqlite_companies;
    table flags => sqlite_flags(yes, uuid, anything);
}
