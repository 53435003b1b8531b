mod cache_resources {
    cache_runtime::resources! {
        timetable { scope(when: i64) }
    }
}

fn main() {}
