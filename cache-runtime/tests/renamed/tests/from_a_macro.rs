//! Annotations that a macro of another crate makes, and that lead to the runtime and to resources through that crate.

use renamed::facade::runtime::{Cache, catalogue::Catalogue, with_cache};

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

/// Nobody calls the functions of the library here, and yet it is part of the program.
#[test]
fn functions_of_a_library_are_in_the_catalogue_though_nobody_calls_them() {
    let catalogue = Catalogue::of_program();
    let functions = catalogue
        .functions()
        .iter()
        .map(|function| function.place.path.as_str());
    assert_eq!(
        functions.collect::<Vec<_>>(),
        ["from_a_macro::page", "renamed::through_facade::page"]
    );
    let mutations = catalogue
        .mutations()
        .iter()
        .map(|mutation| mutation.place.path.as_str());
    assert_eq!(
        mutations.collect::<Vec<_>>(),
        ["from_a_macro::change", "renamed::through_facade::change"]
    );
    let resources = catalogue.resources().iter().map(|resource| resource.name);
    assert_eq!(resources.collect::<Vec<_>>(), ["own", "rows", "pages"]);
}
