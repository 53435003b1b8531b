mod declared {
    pub struct Company;

    cache_runtime::resources! {
        invoices_list { scope(company: Company) }
        companies_list { scope(region: Option<i64>) }
        unknown_type { scope(partner: Partner) }
    }
}

fn main() {}
