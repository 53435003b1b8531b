use cache_runtime::cached;

#[cached(resource = "invoices_list")]
async fn nothing_is_declared() -> i64 {
    1
}

fn main() {}
