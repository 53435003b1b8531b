use std::time::Duration;

use cache_runtime::{
    Tenancy,
    catalogue::{Catalogue, FunctionEntry, MutationEntry, ResourceEntry, TargetKind, Value},
};

fn pairs(values: &[Value]) -> Vec<(&str, &str)> {
    values.iter().map(|value| (value.name, value.value)).collect()
}

fn function<'a>(catalogue: &'a Catalogue, path: &str) -> &'a FunctionEntry {
    let mut functions = catalogue.functions().iter();
    let found = functions.find(|function| function.place.path == path);
    found.unwrap_or_else(|| panic!("{path} among {:#?}", paths(catalogue)))
}

fn mutation<'a>(catalogue: &'a Catalogue, path: &str) -> &'a MutationEntry {
    let mut mutations = catalogue.mutations().iter();
    let found = mutations.find(|mutation| mutation.place.path == path);
    found.unwrap_or_else(|| panic!("{path} among {:#?}", paths(catalogue)))
}

fn resource<'a>(catalogue: &'a Catalogue, name: &str) -> &'a ResourceEntry {
    let mut resources = catalogue.resources().iter();
    resources
        .find(|resource| resource.name == name)
        .expect("it is declared")
}

fn paths(catalogue: &Catalogue) -> Vec<&str> {
    let functions = catalogue.functions().iter().map(|function| &function.place);
    let mutations = catalogue.mutations().iter().map(|mutation| &mutation.place);
    functions.chain(mutations).map(|place| place.path.as_str()).collect()
}

#[test]
fn every_annotated_function_is_there_once_wherever_it_stands() {
    let catalogue = Catalogue::of_program();
    assert_eq!(
        paths(&catalogue),
        [
            "<catalogue::service::Db as catalogue::service::Articles>::article",
            "catalogue::service::Invoices<_>::list",
            "catalogue::service::Invoices<_>::summary",
            "catalogue::service::bodies_have_functions::of_a_body",
            "catalogue::service::faults::count_visit",
            "catalogue::service::faults::paid",
            "catalogue::service::faults::rate",
            "catalogue::service::faults::unpaid",
            "catalogue::service::page",
            "catalogue::service::Invoices<_>::pay",
            "catalogue::service::Invoices<_>::renumber",
            "catalogue::service::faults::export",
            "catalogue::service::faults::forget",
            "catalogue::service::recount_softly",
            "catalogue::service::rename_author",
        ]
    );
}

#[test]
fn a_place_leads_to_the_attribute() {
    let catalogue = Catalogue::of_program();
    let source = include_str!("service.rs");
    for (place, attribute) in [
        (
            &function(&catalogue, "catalogue::service::page").place,
            "#[cached(resource = \"pages\")]",
        ),
        (
            &mutation(&catalogue, "catalogue::service::faults::export").place,
            "#[invalidates(\"exports\")]",
        ),
    ] {
        assert!(place.file.ends_with("catalogue/service.rs"), "{}", place.file);
        let line = source
            .lines()
            .nth(place.line as usize - 1)
            .expect("the file has the line");
        assert_eq!(line.trim(), attribute);
    }
}

#[test]
fn a_resource_is_listed_as_it_is_declared() {
    let catalogue = Catalogue::of_program();
    let list = resource(&catalogue, "invoices_list");
    assert_eq!(list.module, "catalogue::cache_resources");
    assert_eq!(
        list.documentation,
        "Pages of the invoice list.\n\nAs people look at them all day."
    );
    assert_eq!(list.resource.documentation(), list.documentation);
    assert_eq!(list.ttl, Some(Duration::from_mins(1)));
    assert_eq!(list.groups, ["invoice_data"]);

    let summary = resource(&catalogue, "invoices_summary");
    assert_eq!(summary.documentation, "");
    assert_eq!(summary.ttl, Some(Duration::from_mins(3)));
    assert_eq!(summary.max_loads, Some(2));
    assert!(summary.policies.soft);
    assert_eq!(summary.policies.stale_while_revalidate, Some(Duration::from_secs(30)));
    let scopes: Vec<_> = summary.scopes.iter().map(|scope| (scope.name, scope.ty)).collect();
    assert_eq!(scopes, [("company", "i64"), ("region", "Option<String>")]);

    assert!(resource(&catalogue, "articles").crash_safe);
    assert_eq!(resource(&catalogue, "rates").tenancy, Tenancy::Shared);
    assert_eq!(resource(&catalogue, "drafts").ttl, None);
}

#[test]
fn groups_tags_and_tables_are_listed_as_they_are_declared() {
    let catalogue = Catalogue::of_program();
    let [data, books] = catalogue.groups() else {
        panic!("{:?}", catalogue.groups())
    };
    assert_eq!((data.name, data.parameters), ("invoice_data", &["company"][..]));
    let names: Vec<_> = books.resources.iter().map(|resource| resource.name()).collect();
    assert_eq!(names, ["totals", "pages"]);

    let tags: Vec<_> = catalogue
        .tags()
        .iter()
        .map(|tag| (tag.kind.name, tag.kind.ty))
        .collect();
    assert_eq!(tags, [("author", "i64"), ("label", "String")]);

    let [invoices, odd, articles] = catalogue.tables() else {
        panic!("{:?}", catalogue.tables())
    };
    assert_eq!(
        (invoices.name.as_str(), invoices.tenant),
        ("accounting.invoices", Some("tenant_id"))
    );
    let [list, books] = &invoices.targets[..] else {
        panic!("{:?}", invoices.targets)
    };
    assert_eq!(
        (list.name, list.kind, list.resources[0].name()),
        ("invoices_list", TargetKind::Resource, "invoices_list")
    );
    assert_eq!(
        (books.name, books.kind, books.resources.len()),
        ("tot*", TargetKind::Pattern, 1)
    );
    assert_eq!(pairs(&list.scopes), [("company", "company_id")]);
    assert_eq!(odd.name, "odd \"names\" <b>|`{*}`;\\");
    assert_eq!(pairs(&articles.targets[0].scopes), [("author", "author_id")]);
}

#[test]
fn a_function_is_listed_with_what_its_attribute_says() {
    let catalogue = Catalogue::of_program();
    let list = function(&catalogue, "catalogue::service::Invoices<_>::list");
    assert_eq!(list.resource.name(), "invoices_list");
    assert_eq!(list.ttl, Some(Duration::from_secs(90)));
    assert_eq!(list.known_ttl(), Some(Duration::from_secs(90)));
    assert_eq!(pairs(&list.scopes), [("company", "filter.0+1")]);
    // What `#[cfg]` leaves out of the function is not in its key.
    assert_eq!(list.key, ["always", "filter"]);
    assert_eq!(list.left_out, ["handle"]);
    assert_eq!(list.near, Some("tracked"));
    assert_eq!(list.lease, Some(Duration::from_secs(3)));
    assert_eq!(list.when, Some("filter.1<10"));
    assert_eq!((list.version, list.codec), (3, None));
    assert_eq!(list.policies.negative_ttl, Some(Duration::from_secs(10)));
    assert_eq!(list.policies.jitter, Some(0.0));

    let summary = function(&catalogue, "catalogue::service::Invoices<_>::summary");
    assert_eq!((summary.ttl, summary.known_ttl()), (None, None));
    assert_eq!(summary.computed_ttl, Some("|sum|sum_ttl(*sum)"));
    assert_eq!(
        pairs(&summary.scopes),
        [("company", "company"), ("region", "self.region")]
    );
    assert_eq!(summary.policies.stale_while_revalidate, None);

    let article = function(
        &catalogue,
        "<catalogue::service::Db as catalogue::service::Articles>::article",
    );
    assert_eq!(
        pairs(&article.tags),
        [("author", "result.iter().copied()"), ("label", "slug.as_str()")]
    );
    assert_eq!(article.known_ttl(), Some(Duration::from_hours(1)));

    let of_a_body = function(&catalogue, "catalogue::service::bodies_have_functions::of_a_body");
    assert_eq!(of_a_body.each, Some("id in ids"));
}

#[test]
fn statements_that_write_are_listed_and_those_that_read_are_not() {
    let catalogue = Catalogue::of_program();
    let writing = catalogue
        .functions()
        .iter()
        .filter(|function| !function.writes.is_empty());
    let writes: Vec<_> = writing
        .flat_map(|function| &function.writes)
        .map(|write| (write.statement, write.table.as_deref()))
        .collect();
    assert_eq!(writes, [("INSERT", Some("visits"))]);
}

#[test]
fn a_mutation_is_listed_with_what_it_names_and_what_that_stands_for() {
    let catalogue = Catalogue::of_program();
    let pay = mutation(&catalogue, "catalogue::service::Invoices<_>::pay");
    assert!(pay.always && pay.detached && !pay.soft);
    let [data, pages] = &pay.targets[..] else {
        panic!("{:?}", pay.targets)
    };
    assert_eq!((data.name, data.kind), ("invoice_data", TargetKind::Group));
    assert_eq!(pairs(&data.scopes), [("company", "result")]);
    let names: Vec<_> = data.resources.iter().map(|resource| resource.name()).collect();
    assert_eq!(names, ["invoices_list", "invoices_summary"]);
    assert_eq!(
        (pages.name, pages.kind, pages.when),
        ("pages", TargetKind::Resource, Some("invoice>0"))
    );

    let recount = mutation(&catalogue, "catalogue::service::recount_softly");
    assert!(recount.soft && !recount.always);
    assert_eq!(
        (recount.targets[0].name, recount.targets[0].kind),
        ("invoices_s*", TargetKind::Pattern)
    );
    assert_eq!(
        pairs(&recount.targets[0].scopes),
        [("company", "each of companies.iter()")]
    );

    let rename = mutation(&catalogue, "catalogue::service::rename_author");
    assert_eq!(
        (rename.targets[0].name, rename.targets[0].kind),
        ("author", TargetKind::Tag)
    );
    assert_eq!(pairs(&rename.targets[0].scopes), [("author", "author")]);
}

#[test]
fn what_invalidates_a_resource_is_found_by_names_groups_patterns_and_tags() {
    let catalogue = Catalogue::of_program();
    let of = |name: &str| {
        let resource = resource(&catalogue, name).resource;
        let mutations = catalogue
            .mutations_of(resource)
            .map(|mutation| mutation.place.path.as_str());
        let tables = catalogue.tables_of(resource).map(|table| table.name.as_str());
        let all: Vec<String> = mutations.chain(tables).map(str::to_owned).collect();
        all
    };
    assert_eq!(
        of("invoices_list"),
        ["catalogue::service::Invoices<_>::pay", "accounting.invoices"]
    );
    assert_eq!(of("articles"), ["catalogue::service::rename_author", "articles"]);
    assert_eq!(
        of("totals"),
        ["catalogue::service::faults::forget", "accounting.invoices"]
    );
    assert!(of("rates").is_empty());
}

#[test]
fn the_catalogue_is_json_with_its_units_in_its_names() {
    let cache = cache_runtime::Cache::disabled();
    let json = serde_json::to_value(cache.catalogue()).expect("it can be serialised");
    assert_eq!(json["resources"][0]["name"], "invoices_list");
    assert_eq!(json["resources"][0]["ttl_seconds"], 60.0);
    assert_eq!(json["resources"][0]["tenancy"], "per_tenant");
    assert_eq!(json["resources"][0]["scopes"][0]["type"], "i64");
    let list = &json["functions"][1];
    assert_eq!(list["path"], "catalogue::service::Invoices<_>::list");
    assert_eq!(list["resource"], "invoices_list");
    assert_eq!(list["lease_seconds"], 3.0);
    assert_eq!(json["mutations"][0]["targets"][0]["kind"], "group");
    assert_eq!(json["mutations"][0]["targets"][0]["resources"][1], "invoices_summary");
    assert_eq!(json["tags"][1]["type"], "String");
}
