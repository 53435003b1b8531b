mod cache_resources {
    const NONE: std::time::Duration = std::time::Duration::ZERO;
    const LONG: std::time::Duration = std::time::Duration::from_secs(9);

    cache_runtime::resources! {
        alone { stale_while_revalidate, load_timeout, stale_if_error }
        soft_for_nothing { soft }
        soft_and_off { stale_while_revalidate = "off", soft }
        soft_with_a_value { stale_while_revalidate = "1s", soft = true }
        never_soft { load_timeout(soft = "5s", hard = "5s") }
        jittery { jitter = "five percent", refresh_ahead = "early" }
        misplaced { cache_err = |error| true }
    }

    pub(crate) mod expressions {
        use super::{LONG, NONE};

        cache_runtime::resources! {
            no_window { stale_while_revalidate = NONE }
            never_soft { load_timeout(soft = LONG, hard = "5s") }
        }
    }
}

fn main() {}
