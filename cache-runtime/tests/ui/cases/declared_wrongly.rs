mod names {
    cache_runtime::resources! {
        invoices {}
        invoices {}
        group companies = invoices;
        companies {}
        group invoices = companies;
        scopes {}
        REGISTRY {}
        fn {}
        größe {}
    }
}

mod groups {
    cache_runtime::resources! {
        dashboard_summary {}
        invoices_list {}
        group empty = ;
        group unknown = invoice_list;
        group pattern = "dashbord_*", "weather_*";
        group quoted = "invoices_list";
        group selfish = invoices_list, selfish;
        group first = second;
        group second = third;
        group third = first, invoices_list;
    }
}

mod options {
    cache_runtime::resources! {
        unknown { tll = 60 }
        repeated { ttl = 60, ttl = 61 }
        ill_typed { ttl = "soon", tenant = mine, scope = company }
        forgetful { crash_save }
        sized { max_size = 5 }
        with_a_value { crash_safe = true }
        settled_alone { settle = "500ms" }
        settled_at_once { crash_safe, settle = 0 }
        zero { ttl = 0 }
        standing { max_loads = 0 }
        overrun { max_loads = "many" }
        uncounted { max_loads }
        untyped { scope(company) }
        #[cfg(test)]
        attribute {}
        without_braces;
        after_all_that { ttl = 60 }
    }

    fn is_still_declared() -> &'static str {
        after_all_that.name()
    }
}

mod scope_declarations {
    cache_runtime::resources! {
        first { scope(company: i64) }
        other_type { scope(company: u64) }
        twice { scope(company: i64, company: i64) }
        borrowed { scope(region: &str) }
        keyword { scope(type: i64) }
        no_name { scope(self: i64) }
        not_ascii { scope(größe: i64) }
        group keyword_parameter(type) = first;
        many { scope(a: i8, b: i8, c: i8, d: i8, e: i8) }
    }
}

fn main() {}
