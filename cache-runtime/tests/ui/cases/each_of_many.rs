//! `each`: what the attribute says of its argument, its options and its expressions.

#[path = "common/mod.rs"]
mod cache_resources;

use std::collections::HashMap;

use cache_runtime::cached;

#[cached(resource = "companies_list", each = idss)]
async fn misspelt(ids: &[u32]) -> HashMap<u32, u32> {
    ids.iter().map(|id| (*id, *id)).collect()
}

#[cached(resource = "companies_list", each = ids)]
async fn inside_of_a_pattern((ids, _): (Vec<u32>, u8)) -> HashMap<u32, u32> {
    ids.iter().map(|id| (*id, *id)).collect()
}

#[cached(resource = "companies_list", each = page in ids)]
async fn an_element_with_the_name_of_an_argument(ids: &[u32], page: u8) -> HashMap<u32, u32> {
    ids.iter().map(|id| (*id, u32::from(page))).collect()
}

#[cached(resource = "invoices_list", each = ids, scope(company = ids[0]), key(ids.len()))]
async fn looked_at_as_a_whole(ids: &[i64]) -> HashMap<i64, u32> {
    ids.iter().map(|id| (*id, 0)).collect()
}

#[cached(resource = "companies_list", each = ids, skip(ids))]
async fn skipped(ids: &[u32]) -> HashMap<u32, u32> {
    HashMap::new()
}

#[cached(resource = "companies_list", each = id)]
async fn of_one(id: u32) -> HashMap<u32, u32> {
    HashMap::from([(id, id)])
}

#[cached(resource = "companies_list", each = ids, skip(buffer))]
async fn borrowed_mutably(ids: &[u32], buffer: &mut Vec<u8>) -> HashMap<u32, u32> {
    buffer.clear();
    ids.iter().map(|id| (*id, *id)).collect()
}

struct Service;

impl Service {
    #[cached(resource = "companies_list", each = ids)]
    async fn by_value(self, ids: &[u32]) -> HashMap<u32, u32> {
        ids.iter().map(|id| (*id, *id)).collect()
    }
}

#[cached(resource = "companies_list", each = ids, stale_while_revalidate = "30s", unless = |value| *value > most)]
async fn with_a_closure_over_an_argument(ids: &[u32], most: u32) -> HashMap<u32, u32> {
    ids.iter().map(|id| (*id, most)).collect()
}

#[cached(resource = "companies_list", each)]
async fn without_a_value(ids: &[u32]) -> HashMap<u32, u32> {
    ids.iter().map(|id| (*id, *id)).collect()
}

#[cached(resource = "companies_list", each = "ids")]
async fn quoted(ids: &[u32]) -> HashMap<u32, u32> {
    ids.iter().map(|id| (*id, *id)).collect()
}

fn main() {}
