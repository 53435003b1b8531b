cache_runtime::resources! {
    answers { ttl = 60 }
    ledger { ttl = 60, crash_safe }
}
