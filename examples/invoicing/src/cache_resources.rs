//! Everything this service caches, by name. A misspelt name anywhere else does not compile.

cache_runtime::resources! {
    /// Totals, unpaid and overdue amounts of a company.
    dashboard_summary { ttl = "5m", scope(company: i64) }
    /// Invoiced and collected amounts by month.
    dashboard_trends { ttl = "3m", scope(company: i64) }
    /// The searchable invoice table of the dashboard.
    dashboard_detailed_data { ttl = "1m", scope(company: i64) }
    /// Growth, payment morale and days of sales outstanding.
    dashboard_performance { ttl = "3m", scope(company: i64) }
    /// Money in and out by month, and what is expected.
    dashboard_cashflow { ttl = "3m", scope(company: i64) }
    /// Unpaid amounts by age.
    dashboard_maturity { ttl = "3m", scope(company: i64) }

    /// Pages of the invoice list.
    invoices_list { ttl = "1m", scope(company: i64) }
    /// Totals by year of the invoice list.
    invoices_summary { ttl = "3m", scope(company: i64) }

    /// The companies of a tenant.
    companies_list { ttl = "10m" }

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
}
