#[path = "common/mod.rs"]
mod cache_resources;

use cache_runtime::invalidates;

struct Invoice {
    company: i64,
}

#[invalidates("invoice_data"(company = result.company + offset))]
async fn mixed_with_an_argument(offset: i64) -> Invoice {
    Invoice { company: offset }
}

#[invalidates("invoice_data"(company = result.company))]
async fn named_like_an_argument(result: Invoice) -> Invoice {
    result
}

#[invalidates("invoice_data"(company = result.compagny))]
async fn no_such_field() -> Invoice {
    Invoice { company: 1 }
}

fn main() {}
