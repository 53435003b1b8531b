cache_runtime::resources! {
    /// The invoices of one company, a page at a time.
    invoices_list { ttl = "10m", scope(company: i64), stale_if_error = "1h" }
    /// Totals of a company, for the first page.
    dashboard_summary { ttl = "5m", scope(company: i64), stale_while_revalidate = "10m" }
    /// The companies of a region.
    companies_list { ttl = "10m" }
    /// What somebody looks for among the invoices.
    invoices_search { ttl = "1m", scope(company: i64), stale_if_error = "10m" }
    /// What a company owes.
    balances { ttl = "5m", scope(company: i64) }
    /// Notes under any title.
    notes { ttl = "10m", scope(title: String) }
    /// The same for everybody.
    exchange_rates { ttl = "1h", tenant = shared }
    /// Declared, and never cached.
    forgotten { ttl = "1m", soft, stale_while_revalidate = "30s" }

    tag author: i64;
    group company_data = invoices_list, balances;
    group found_data = invoices_search, dashboard_summary;
    table companies(tenant = tenant_id) => invoices_list(company = id), companies_list;
    table payments(tenant = tenant_id) => company_data, found_data;
}
