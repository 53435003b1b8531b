//! The declarations that the cases use.

cache_runtime::resources! {
    dashboard_summary { ttl = "5m", scope(company: i64) }
    dashboard_trends { ttl = "3m", scope(company: i64) }
    invoices_list { ttl = "1m", scope(company: i64) }
    sales { scope(company: i64, region: String) }
    companies_list { ttl = "10m" }

    group invoice_data = invoices_list, "dashboard_*";
}
