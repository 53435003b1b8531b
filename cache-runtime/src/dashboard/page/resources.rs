//! The page of what is declared: every resource, where it is cached, what invalidates it, and what is odd about it.

use axum::response::Response;
use maud::{Markup, html};

use super::resource::{documentation, place, policies, relations, tenancy};
use crate::{
    catalogue::{Catalogue, ResourceEntry},
    dashboard::{
        links::Links,
        view::{
            figure::{counted, duration},
            graph::graph,
            layout::{nothing, wide},
            text::{prose, visible},
        },
        visit::Visit,
    },
};

pub(in crate::dashboard) async fn show(visit: Visit) -> Response {
    let catalogue = &visit.site.catalogue;
    let default_ttl = visit.site.cache.engine.settings.default_ttl;
    let body = html! {
        p.lead {
            "What this program declares and annotates: "
            (counted(catalogue.resources().len() as u64, "resource", "resources")) ", cached by "
            (counted(catalogue.functions().len() as u64, "function", "functions")) " and invalidated by "
            (counted(catalogue.mutations().len() as u64, "mutation", "mutations")) " and changes of "
            (counted(catalogue.tables().len() as u64, "table", "tables")) "."
        }
        section aria-labelledby="declared" {
            h2 #declared { "Declared" }
            @if catalogue.resources().is_empty() { (nothing("Nothing: this program has no resources!.")) }
            @else { (wide("Declared resources", &table(catalogue, &visit.links, default_ttl))) }
        }
        @if !catalogue.resources().is_empty() {
            section aria-labelledby="graph" {
                h2 #graph { "What invalidates what" }
                (wide("Graph", &graph(catalogue, &visit.links)))
            }
            (findings(catalogue))
            section aria-labelledby="list" {
                h2 #list { "Where in the code" }
                ul.items { @for entry in catalogue.resources() { (item(catalogue, entry, &visit.links)) } }
            }
        }
    };
    visit.page("resources", "Resources", &body)
}

/// What `lint` says.
fn findings(catalogue: &Catalogue) -> Markup {
    let findings = catalogue.lint();
    html! {
        @if !findings.is_empty() {
            section aria-labelledby="findings" {
                h2 #findings { "Worth a look" }
                ul.items {
                    @for finding in &findings {
                        li {
                            p { (prose(&finding.sentence)) }
                            p.note { (prose(&finding.remedy)) }
                            @for at in &finding.places { p.place { (visible(&at.path)) (place(at)) } }
                        }
                    }
                }
            }
        }
    }
}

fn table(catalogue: &Catalogue, links: &Links, default_ttl: std::time::Duration) -> Markup {
    html! {
        table {
            caption.unseen { "Each resource as it is declared" }
            thead {
                tr {
                    th scope="col" { "Resource" }
                    th.number scope="col" { "TTL" }
                    th scope="col" { "Scopes" }
                    th.more scope="col" { "Tenants" }
                    th.more scope="col" { "Policies" }
                    th.number scope="col" { "Cached by" }
                    th.number scope="col" { "Invalidated by" }
                }
            }
            tbody {
                @for entry in catalogue.resources() {
                    @let by = catalogue.mutations_of(entry.resource).count() + catalogue.tables_of(entry.resource).count();
                    tr {
                        th scope="row" { (link(entry, links)) }
                        td.number { (duration(entry.ttl.unwrap_or(default_ttl))) }
                        td { (scopes(entry)) }
                        td.more { (tenancy(entry.tenancy)) }
                        td.more {
                            @for (i, (name, value)) in policies(&entry.policies).iter().enumerate() {
                                @if i > 0 { ", " }
                                (name) " " (value)
                            }
                        }
                        td.number { (catalogue.functions_of(entry.resource).count()) }
                        td.number { (by) }
                    }
                }
            }
        }
    }
}

fn link(entry: &ResourceEntry, links: &Links) -> Markup {
    html! { a href=(links.page_with("resource", &[("name", entry.name)])) { (entry.name) } }
}

fn scopes(entry: &ResourceEntry) -> String {
    let names: Vec<_> = entry.scopes.iter().map(|scope| scope.name).collect();
    names.join(", ")
}

/// A resource with everything that has to do with it: what the graph shows, for those who do not see it, and where it is.
fn item(catalogue: &Catalogue, entry: &ResourceEntry, links: &Links) -> Markup {
    html! {
        li {
            h3 { (link(entry, links)) }
            (documentation(entry))
            (relations(catalogue, entry))
        }
    }
}
