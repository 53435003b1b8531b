//! Annotations that a macro of another crate makes, and that lead to the runtime and to resources through that crate.

use renamed::facade::runtime::{Cache, with_cache};

renamed::pages_of_company!(local, page, change);

#[tokio::test]
async fn a_macro_of_another_crate_leads_to_the_runtime_through_its_own() {
    let cache = Cache::builder().build();
    let seen = &mut Vec::new();
    with_cache(cache.clone(), async {
        for _ in 0..2 {
            assert_eq!(page(7, 1, seen).await, Some(Ok(7)));
        }
        assert_eq!(change(7).await, Ok(7));
        page(7, 1, seen).await;
    })
    .await;
    assert_eq!(*seen, [7, 7]);
    assert_eq!(local::own.ttl(), Some(renamed::TTL));
}
