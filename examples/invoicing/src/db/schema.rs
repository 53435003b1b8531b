//! The tables. The same statements make them on SQLite and on PostgreSQL.

/// Statements that make the tables, without the indices, which are quicker to build once the rows are in.
pub(super) const TABLES: &[&str] = &[
    "CREATE TABLE invoicing_dataset (name TEXT PRIMARY KEY, value TEXT NOT NULL)",
    "CREATE TABLE counters (name TEXT PRIMARY KEY, last_id BIGINT NOT NULL)",
    "CREATE TABLE companies (
        id BIGINT PRIMARY KEY,
        tenant_id TEXT NOT NULL,
        name TEXT NOT NULL,
        tax_number TEXT NOT NULL,
        currency TEXT NOT NULL
    )",
    "CREATE TABLE partners (
        id BIGINT PRIMARY KEY,
        tenant_id TEXT NOT NULL,
        name TEXT NOT NULL
    )",
    "CREATE TABLE invoices (
        id BIGINT PRIMARY KEY,
        tenant_id TEXT NOT NULL,
        company_id BIGINT NOT NULL REFERENCES companies (id),
        partner_id BIGINT NOT NULL REFERENCES partners (id),
        number TEXT NOT NULL,
        amount BIGINT NOT NULL,
        issued_on TEXT NOT NULL,
        due_on TEXT NOT NULL
    )",
    "CREATE TABLE payments (
        id BIGINT PRIMARY KEY,
        invoice_id BIGINT NOT NULL REFERENCES invoices (id),
        tenant_id TEXT NOT NULL,
        company_id BIGINT NOT NULL REFERENCES companies (id),
        amount BIGINT NOT NULL,
        paid_on TEXT NOT NULL
    )",
    "CREATE TABLE treasury_movements (
        id BIGINT PRIMARY KEY,
        tenant_id TEXT NOT NULL,
        company_id BIGINT NOT NULL REFERENCES companies (id),
        amount BIGINT NOT NULL,
        kind TEXT NOT NULL,
        description TEXT NOT NULL,
        booked_on TEXT NOT NULL
    )",
];

/// The indices that a service like this has. None of them covers a dashboard.
pub(super) const INDICES: &[&str] = &[
    "CREATE INDEX invoices_by_company ON invoices (company_id, issued_on)",
    "CREATE INDEX payments_by_invoice ON payments (invoice_id)",
    "CREATE INDEX treasury_movements_by_company ON treasury_movements (company_id, booked_on)",
    "ANALYZE",
];

/// Statements that remove the tables, the referring ones first.
pub(super) const DROP: &[&str] = &[
    "DROP TABLE payments",
    "DROP TABLE treasury_movements",
    "DROP TABLE invoices",
    "DROP TABLE partners",
    "DROP TABLE companies",
    "DROP TABLE counters",
    "DROP TABLE invoicing_dataset",
];
