cache_runtime::resources! {
    answers { ttl = 60 }
}
