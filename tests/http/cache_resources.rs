cache_runtime::resources! {
    rows { ttl = 60 }
    near_rows { ttl = 60 }
    slow_rows { ttl = 60 }
    refused { ttl = 60 }
}
