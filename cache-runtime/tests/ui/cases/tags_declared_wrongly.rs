mod cache_resources {
    cache_runtime::resources! {
        tag author;
        tag series: Option<i64>;
        tag place: &str;
        tag reader: i64;
        tag reader: i64;
        tag nothing: Nothing;
        page { ttl = 60 }
    }

    pub struct Nothing;
}

fn main() {}
