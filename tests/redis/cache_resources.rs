cache_runtime::resources! {
    answers { ttl = 60 }
    rows { ttl = 60 }
    reports { ttl = 60 }
    numbers { ttl = 60 }
    invoices { ttl = 60 }
    settings { ttl = 60 }
    invoices_list { ttl = 60, scope(company: i64) }
    hostile_rows { ttl = 60, scope(customer: String) }
    rows_of_all { ttl = 60, tenant = shared }
    exchange_rates { ttl = 60, tenant = shared }

    // Longer than it takes to replace a server.
    rates { ttl = 600 }
    balances { ttl = 600 }
    tag author: u64;
    titles { ttl = 600 }
    accounts { ttl = 600, scope(account: u64) }
    near_accounts { ttl = 600, scope(account: u64) }
    ledger { ttl = 600, crash_safe }

    balance { ttl = 60, scope(account: u64) }
    totals { ttl = 60, scope(account: u64) }
    inspected { ttl = 60, scope(company: i64) }
    inspected_softly { ttl = 60, scope(company: i64), soft, stale_while_revalidate = "1m" }
    inspected_tags { ttl = 60 }
    held_accounts { ttl = 60, crash_safe, scope(account: u64) }

    swept_first { ttl = 600 }
    swept_second { ttl = 600 }
    swept_accounts { ttl = 600, scope(account: u64) }
    swept_shared { ttl = 600, tenant = shared }
    group swept = swept_first, swept_second, swept_accounts, swept_shared;
}
