//! What the service tells of its own annotations, and what the book shows of that.

use std::path::Path;

use cache_runtime::catalogue::{Allowed, Catalogue, GraphFormat, Sources};

#[test]
fn nothing_is_found_in_the_service_but_the_making_of_its_data() {
    let catalogue = Catalogue::of_program();
    assert_eq!(catalogue.functions().len(), 10);
    assert_eq!(catalogue.lint(), []);

    let sources = Sources::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("src")).unwrap();
    let mut unseen = catalogue.unseen_writes(&sources);
    // As docs/catalogue.md says it.
    let made_anew: Allowed = "unseen-write:Bulk::into".parse().unwrap();
    assert!(unseen.iter().any(|finding| made_anew.takes(finding)), "{unseen:?}");
    unseen.retain(|finding| !made_anew.takes(finding));
    assert_eq!(unseen, []);
}

#[test]
fn the_book_shows_the_graph_as_it_is() {
    let book = include_str!("../../../../docs/catalogue.md");
    let (_, rest) = book.split_once("```mermaid\n").unwrap();
    let (shown, _) = rest.split_once("```").unwrap();
    let graph = Catalogue::of_program().graph(GraphFormat::Mermaid);
    assert_eq!(
        shown, graph,
        "put what `invoicing cache graph` prints into docs/catalogue.md"
    );
}
