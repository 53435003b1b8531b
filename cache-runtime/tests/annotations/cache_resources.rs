//! The names that the attributes of this test program use.

use std::time::Duration;

const THREE_MINUTES: Duration = Duration::from_mins(3);

cache_runtime::resources! {
    /// Totals shown on the home page.
    ///
    /// Two paragraphs, to see that documentation is kept.
    dashboard_summary { ttl = "5m", scope(company: i64) }
    dashboard_trends { ttl = THREE_MINUTES, scope(company: i64) }
    invoices_list { ttl = 60, scope(company: i64) }
    sales { ttl = "1h 30m", scope(company: i64, region: String) }
    companies_list {}
    exchange_rates { ttl = Duration::from_hours(1), tenant = shared }

    /// All about invoices.
    group invoice_data = invoices_list, "dashboard_*";
    group everything = invoice_data, companies_list, sales, exchange_rates;
}
