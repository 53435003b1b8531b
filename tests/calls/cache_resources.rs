cache_runtime::resources! {
    plain { ttl = 60 }
    pages { ttl = 60 }
    reports { ttl = 60, scope(company: i64) }
    rates { ttl = "1h", tenant = shared }
    briefly { ttl = "50ms" }
    by_default {}
    momentary { ttl = "1ms" }

    values { ttl = 60 }
    others { ttl = 60 }
    of_nested { ttl = 60 }
    of_unit { ttl = 60 }
    of_json { ttl = 60 }
    of_wrapped { ttl = 60 }
    of_untagged { ttl = 60 }
    of_floats { ttl = 60 }
    of_map { ttl = 60 }
    of_nested_set { ttl = 60 }
    of_long { ttl = 60 }
    of_any_kind { ttl = 60 }
    binary { ttl = 60 }
    invoices { ttl = 60 }
    trees { ttl = 60 }

    customers { ttl = 60 }
    suppliers { ttl = 60 }
    companies { ttl = 60, scope(owner: crate::unshown::Company) }

    slow { ttl = 60 }
    lists { ttl = 60 }
    places { ttl = 60 }
    shared { ttl = 60 }
    stored { ttl = 60 }
    leased { ttl = 60 }
    leased_many { ttl = 60 }
    limited { ttl = 60, max_loads = 1 }
    graphs { ttl = 60, max_loads = 1 }
    pairs { ttl = 60, max_loads = 2 }

    ledger { ttl = 60, crash_safe }
    item { ttl = 60 }
    other { ttl = 60 }

    rows { ttl = 60 }
    timed_rows { ttl = 60, load_timeout(hard = "5s") }
    rows_of { ttl = 60, scope(account: u32) }
    each_row { ttl = 60, scope(row: u32) }
    few_at_once { ttl = 60, max_loads = 1 }

    balance { ttl = 60, scope(account: u32) }
    statement { ttl = 60, scope(account: u32) }
    versions { ttl = 60, scope(row: u32) }
    tokens { ttl = 60 }
    grenades { ttl = 60 }
    catalogue { ttl = 60, negative_ttl = "10s" }

    shelf { ttl = 60 }
    shelf_near { ttl = 60 }
    shelf_checked { ttl = 60 }
    shelf_leased { ttl = 60 }
    shelf_limited { ttl = 60, max_loads = 1 }
    shelf_safe { ttl = 60, crash_safe }
    shelf_fallible { ttl = 60 }
    shelf_above { ttl = 60 }
    shelf_circle { ttl = 60 }

    encoded { ttl = 60 }
    decoded { ttl = 60 }
    encoded_near { ttl = 60 }
    encoded_either { ttl = 60 }

    status { ttl = 60 }
    status_long { ttl = 60 }
    status_near { ttl = 60 }
    status_stale { ttl = 5 }
    status_hidden { ttl = 60 }

    tag number: u32;
    tagged { ttl = 60 }
    tagged_outer { ttl = 60 }
    tagged_soft { ttl = 60 }

    shelf_stale { ttl = 60 }
    shelf_soft { ttl = 60, soft, stale_while_revalidate = "1m" }

    verified { ttl = 60 }
    verified_near { ttl = 60 }
    verified_fallible { ttl = 60 }
    verified_rarely { ttl = 60 }
    verified_maps { ttl = 60 }
    verified_owned { ttl = 60 }

    warm_invoices { ttl = "10m", scope(company: i64) }
    warm_reports { ttl = "10m" }
}
