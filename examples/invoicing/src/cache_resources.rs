//! Everything this service caches, by name. A misspelt name anywhere else does not compile.
//!
//! What people change through this service shows at once, whatever is said here: that is what `#[invalidates]` is for. What others
//! change in the database shows moments later: that is what `table` is for. The times are for what changes
//! without them, the day that it is above all. So:
//!
//! - The slow dashboards are loaded again in the background (`stale_while_revalidate`): nobody waits for seconds because three
//!   minutes are over. Which functions do that they say themselves, because their arguments must be their own then.
//! - When the database fails, they and the lists go on showing the last figures for an hour (`stale_if_error`): those of a minute ago
//!   are better than an error page. Not the treasury: what people pay by is shown as it is, or not at all.
//! - The list of companies is on every page, so it is loaded again before its time is over (`refresh_ahead`).
//! - A search that the database does not answer within ten seconds is given up (`load_timeout`): people have typed on.
//!
//! The README has a table of these, of what the functions say themselves (`lease`, `near`), and of what is not used, and why.

cache_runtime::resources! {
    /// Totals, unpaid and overdue amounts of a company.
    dashboard_summary { ttl = "5m", scope(company: i64), stale_while_revalidate = "10m", stale_if_error = "1h" }
    /// Invoiced and collected amounts by month.
    dashboard_trends { ttl = "3m", scope(company: i64), stale_while_revalidate = "10m", stale_if_error = "1h" }
    /// The searchable invoice table of the dashboard.
    dashboard_detailed_data { ttl = "1m", scope(company: i64), load_timeout(hard = "10s") }
    /// Growth, payment morale and days of sales outstanding.
    dashboard_performance { ttl = "3m", scope(company: i64), stale_while_revalidate = "10m", stale_if_error = "1h" }
    /// Money in and out by month, and what is expected.
    dashboard_cashflow { ttl = "3m", scope(company: i64), stale_while_revalidate = "10m", stale_if_error = "1h" }
    /// Unpaid amounts by age.
    dashboard_maturity { ttl = "3m", scope(company: i64), stale_while_revalidate = "10m", stale_if_error = "1h" }

    /// Pages of the invoice list.
    invoices_list { ttl = "1m", scope(company: i64), stale_if_error = "1h" }
    /// Totals by year of the invoice list.
    invoices_summary { ttl = "3m", scope(company: i64), stale_if_error = "1h" }

    /// The companies of a tenant.
    companies_list { ttl = "10m", stale_if_error = "1h", refresh_ahead }

    /// Balance, months and last movements of a company's treasury.
    ///
    /// What people pay by: a process that is killed between a commit and its invalidation must not leave an old balance.
    treasury_data { ttl = "2m", scope(company: i64), crash_safe }

    /// What a new or changed invoice shows in.
    group invoice_data = invoices_list, invoices_summary, dashboard_summary, dashboard_trends;
    /// What a payment shows in, besides what the movement shows in that it is booked as.
    group payment_data = invoices_list, dashboard_summary, dashboard_cashflow;
    /// What a treasury movement shows in.
    group movement_data = treasury_data, dashboard_summary, dashboard_cashflow;

    // What others change in the database, with `psql` or `sqlite3`, by a script or another service. They say what they have done to
    // the tables alone, so whatever a row of a company may show in is loaded again.
    table companies(tenant = tenant_id) => companies_list, "dashboard_*"(company = id);
    table partners(tenant = tenant_id) => invoices_list, "dashboard_*";
    table invoices(tenant = tenant_id) => "invoices_*"(company = company_id), "dashboard_*"(company = company_id);
    table payments(tenant = tenant_id) => "invoices_*"(company = company_id), "dashboard_*"(company = company_id);
    table treasury_movements(tenant = tenant_id) => treasury_data(company = company_id), "dashboard_*"(company = company_id);
}
