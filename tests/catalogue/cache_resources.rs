//! What the made-up service caches.

use std::time::Duration;

const THREE_MINUTES: Duration = Duration::from_mins(3);

cache_runtime::resources! {
    /// Pages of the invoice list.
    ///
    /// As people look at them all day.
    invoices_list { ttl = "1m", scope(company: i64) }
    invoices_summary {
        ttl = THREE_MINUTES,
        scope(company: i64, region: Option<String>),
        soft,
        stale_while_revalidate = "30s",
        max_loads = 2,
    }
    /// By tags alone.
    articles { ttl = "1h", crash_safe }
    /// Two functions whose keys differ.
    pages { ttl = 60 }

    // Each with a fault.
    rates { ttl = "1h", tenant = shared }
    drafts {}
    exports { ttl = "1h" }
    totals { ttl = 60, scope(company: i64) }
    counters { ttl = 60 }

    tag author: i64;
    tag label: String;

    group invoice_data(company) = invoices_list(company), invoices_summary(company);
    group books = totals, "p*s";

    table accounting.invoices(tenant = tenant_id) => invoices_list(company = company_id), "tot*"(company = company_id);
    table "odd \"names\" <b>|`{*}`;\\" => exports;
    table articles => tag(author = author_id);
}
