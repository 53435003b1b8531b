//! What the functions of these tests are cached as, and the tables that they read.

cache_runtime::resources! {
    /// Of a company.
    invoices_list { ttl = "1h", scope(company: i64) }
    /// Of a company and a year.
    ledger { ttl = "1h", scope(company: i64, year: i64) }
    /// Of everybody.
    companies_list { ttl = "1h" }
    /// What tenants share.
    rates { ttl = "1h", tenant = shared, scope(currency: String) }
    /// By tags.
    article { ttl = "1h" }

    /// Of what is read from a replica that lags.
    balance { ttl = "1h", scope(company: i64), crash_safe, settle = "10s" }

    tag author: i64;

    table invoices => invoices_list(company = company_id), ledger(company = company_id, year);
    table companies => "companies_list", ledger(company = id);
    table accounting.rates => rates(currency);
    table articles => tag(author = author_id);
    table orders(tenant = tenant_id) => invoices_list(company = company_id);
    table events => invoices_list(company = company_id);
    table settings => companies_list;
    table accounts => balance(company = company_id), companies_list;
    table "Odd Names" => invoices_list(company = "Company Id");
    // By a column that is called as a variable of the triggers.
    table letters => invoices_list(company = written);
}
