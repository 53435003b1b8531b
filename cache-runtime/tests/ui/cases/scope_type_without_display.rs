mod declared {
    pub struct Company;

    type Region = Option<i64>;

    cache_runtime::resources! {
        invoices_list { scope(company: Company) }
        companies_list { scope(region: Region) }
        unknown_type { scope(partner: Partner) }
        optional { scope(office: Option<Company>) }
    }
}

fn main() {}
