cache_runtime::resources! {
    /// Ten seconds, and thirty more while it is loaded again.
    revalidated { ttl = "10s", stale_while_revalidate = "30s" }
    leased { ttl = "10s", stale_while_revalidate = "30s" }
    kept_on_error { ttl = "10s", stale_if_error = "10m" }
    timed { ttl = "10s", stale_if_error = "10m" }
    hot { ttl = "10s" }
    found { ttl = "1h", negative_ttl = "10s" }
    tokens { ttl = "1h" }
    spread { ttl = "100s" }
}
