cache_runtime::resources! {
    invoices { ttl = "10m", scope(company: i64) }
    reports { ttl = "10m" }
    quotes { ttl = "10m", soft, stale_while_revalidate = "1m" }
    rates { ttl = "10m", tenant = shared }
    tag author: u64;
    articles { ttl = "10m" }
    warm { ttl = "10m" }
}
