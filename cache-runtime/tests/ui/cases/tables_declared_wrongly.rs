mod cache_resources {
    cache_runtime::resources! {
        invoices_list { ttl = 60, scope(company: i64) }
        invoices_summary { ttl = 60, scope(company: i64) }
        companies_list { ttl = 60 }
        tag author: i64;
        group invoice_data = invoices_list, invoices_summary;

        // Names that are not declared.
        table a => invoice_dat(company = company_id);
        table b => "invoces_list"(company = company_id);
        table c => "dashbord_*";
        table d => tag(autor = author_id);
        // Scopes that are not there, or twice.
        table e => invoice_data(compny = company_id);
        table f => companies_list(company = id);
        table g => "*"(company = id);
        table h => invoices_list(company = id, company = company_id);
        // What is no column.
        table i => invoices_list(company = 7);
        table j => invoices_list(company in ids);
        table k => invoices_list(company = row.company);
        // Nothing, or not what is expected.
        table l;
        table m => ;
        table => invoices_list;
        table n(company = company_id) => invoices_list;
        table o(tenant = tenant_id, other) => invoices_list;
        table p => invoices_list invoices_summary;
        table q => tag(author = a, author = b);
        table r.s.t => invoices_list;
        // Twice.
        table invoices => invoices_list;
        table invoices => invoices_summary;
        table accounting.invoices => tag(author), tag(author);
        table "" => invoices_list;
        table "accounting.invoices" => invoices_list;
        // These are right.
        table "Order Lines"(tenant = "Tenant Id") => "invoices_list"(company = "Company Id"), "companies_*";
        table accounting."type" => invoices_list(company = type), tag(author);
    }
}

fn main() {}
