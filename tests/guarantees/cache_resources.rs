cache_runtime::resources! {
    dashboard_summary { ttl = 60, scope(company: i64) }
    dashboard_trends { ttl = 60, scope(company: i64) }
    invoices_list { ttl = 60, scope(company: i64) }
    companies_list { ttl = 60 }
    stock { ttl = 60, scope(warehouse: String, product: u32) }
    orders { ttl = 60, scope(customer: u32) }
    rates { ttl = 60, tenant = shared }
    price { ttl = "10m" }

    group invoice_data = invoices_list, "dashboard_*";

    article { ttl = 60, scope(slug: String) }
    comments { ttl = 60, scope(article: String) }
    tags { ttl = 60 }
    feed { ttl = 60, scope(viewer: Option<u32>) }
    near_feed { ttl = 60, scope(viewer: Option<u32>) }
    board_day { ttl = 60, scope(viewer: Option<u32>) }
    board_week { ttl = 60, scope(viewer: Option<u32>) }
    page { ttl = 60, scope(locale: std::option::Option<String>, section: u32) }
    profile { ttl = 60, scope(user: u32) }
    place { ttl = 60, scope(house: u32, room: u32) }

    /// What changes when somebody likes an article.
    group favourite(slug, viewer) = article(slug), comments(article = slug), for_viewer(who = viewer), tags;
    group for_viewer(who) = feed(viewer = who), boards(viewer = who);
    group boards = "board_*";
    group by_pattern(viewer) = "board_*"(viewer);
    group moved(from, to) = place(house = from), place(house = to), place(house = from, room = to);
    group all = favourite, place;
    group feeds = feed, near_feed;

    item { ttl = "10m", scope(id: u32) }
    other { ttl = "10m" }
    watched { ttl = 60 }
    checked { ttl = 60 }
    safe { ttl = 60, crash_safe }

    group near_ones = watched, checked;

    balance { ttl = 60, scope(account: u32) }
    balances { ttl = 60 }
    ledger { ttl = 60, scope(account: u32), crash_safe }
    tag author: i64;
    tag series: String;
    tagged_page { ttl = "10m" }
    near_page { ttl = "10m" }
    checked_page { ttl = "10m" }
    led_page { ttl = "10m" }
    ahead_page { ttl = "10m" }
    verified_page { ttl = "10m" }
    shared_page { ttl = "10m", tenant = shared }
    quote { ttl = "10m", scope(symbol: String), soft, stale_while_revalidate = "1h" }
    near_quote { ttl = "10m", soft, stale_while_revalidate = "1h" }
    checked_quote { ttl = "10m", soft, stale_while_revalidate = "1h" }
    led_quote { ttl = "10m", soft, stale_while_revalidate = "1h" }
    firm_quote { ttl = "10m" }
    group near_quotes = near_quote, checked_quote, led_quote;
    lagging { ttl = 60, crash_safe, settle = "2s" }
    fleeting { ttl = "400ms" }
}
