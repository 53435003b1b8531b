cache_runtime::resources! {
    answers { ttl = 60 }
    pages { ttl = 60 }
    rows { ttl = 60 }
    warm_rows { ttl = 60 }
    verified_rows { ttl = 60 }
    rates { ttl = 60, tenant = shared }
    ledger { ttl = 60, crash_safe, max_loads = 1 }
    listed { ttl = 60 }
    hidden { ttl = 5 }
}
