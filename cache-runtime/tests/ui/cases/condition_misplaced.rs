#[path = "common/mod.rs"]
mod cache_resources;

use cache_runtime::invalidates;

#[invalidates("companies_list", when = true)]
async fn of_the_attribute() {}

#[invalidates("companies_list"(when), "dashboard_*"(when = true, when = false))]
async fn without_a_value_and_twice() {}

#[invalidates("invoices_list"(company, when = company))]
async fn no_condition(company: i64) {}

#[invalidates("companies_list"(when = result.is_some() && company > 0))]
async fn mixed_with_an_argument(company: i64) -> Result<Option<i64>, ()> {
    Ok(Some(company))
}

#[invalidates("companies_list", detach = true)]
async fn a_flag_with_a_value() {}

fn main() {}
