//! What the figures cache.

cache_runtime::resources! {
    /// Pages of invoices, kept in Redis.
    invoices { ttl = "1h" }
    /// The same, kept in the process, too.
    invoices_near { ttl = "1h" }
    invoices_shared { ttl = "1h" }
    by_status { ttl = "1h" }
    total { ttl = "1h" }
    reached { ttl = "1h" }
}
