//! The page of one resource: its figures, what is declared of it, where it is cached and what invalidates it.

use axum::{
    extract::Query,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use maud::{Markup, html};
use serde::Deserialize;

use super::overview::resource_name;
use crate::{
    ResourceStats, Tenancy,
    catalogue::{Catalogue, Place, PolicyEntry, ResourceEntry},
    dashboard::{
        condition::{Condition, of_resource},
        view::{
            figure::{bytes, count, duration, number},
            layout::nothing,
            text::{function_name, prose, visible},
            tile::tiles,
        },
        visit::Visit,
    },
};

#[derive(Debug, Deserialize)]
pub(in crate::dashboard) struct Named {
    #[serde(default)]
    name: String,
}

pub(in crate::dashboard) async fn show(visit: Visit, Query(Named { name }): Query<Named>) -> Response {
    let Some(body) = body(&visit, &name) else {
        let body = html! {
            (nothing("This program declares no resource of that name."))
            p { a href=(visit.links.page("resources")) { "All resources" } }
        };
        return (
            StatusCode::NOT_FOUND,
            visit.page("resources", "No such resource", &body),
        )
            .into_response();
    };
    let events = visit
        .links
        .page_with("events", &[("page", "resource"), ("resource", &name)]);
    visit.live_page("resources", resource_name(&name), events, &body)
}

/// What the page shows now; `None` if there is no such resource.
pub(in crate::dashboard) fn body(visit: &Visit, name: &str) -> Option<Markup> {
    let site = &visit.site;
    let figures = site.sampler.figures(&site.cache);
    let lately = figures.of(name)?;
    let totals = figures.totals.iter().find(|totals| totals.resource == name)?;
    let entry = site.catalogue.resources().iter().find(|entry| entry.name == name);
    let Condition { health, words } = of_resource(&lately.counts);
    Some(html! {
        @if let Some(entry) = entry { (documentation(entry)) }
        p { span #health class={ "health " (health.class()) } data-live { (words) } }
        section aria-labelledby="lately" {
            h2 #lately { "Last minute" }
            (tiles(&figures, lately, totals))
        }
        section.columns {
            div {
                h2 { "What became of its calls" }
                (outcomes(&lately.counts, totals))
            }
            div {
                h2 { "Declared" }
                @match entry {
                    Some(entry) => (declaration(entry, site.cache.engine.settings.default_ttl)),
                    None => (nothing("By no registry: values that are set by key.")),
                }
                div.actions {
                    a href=(visit.links.page_with("entries", &[("resource", name)])) { "Its entries" }
                    a href=(visit.links.page_with("hot", &[("resource", name)])) { "Its hot keys" }
                    @if visit.rights.may_invalidate && entry.is_some() {
                        a href=(visit.links.page_with("invalidate", &[("name", name)])) { "Invalidate it" }
                    }
                }
            }
        }
        @if let Some(entry) = entry {
            section aria-labelledby="relations" {
                h2 #relations { "Where in the code" }
                (relations(&site.catalogue, entry))
            }
        }
    })
}

pub(super) fn documentation(entry: &ResourceEntry) -> Markup {
    html! {
        @for paragraph in entry.documentation.split("\n\n").filter(|text| !text.trim().is_empty()) {
            p.lead { (prose(paragraph)) }
        }
    }
}

/// Counts of the last minute beside those since the start.
fn outcomes(now: &ResourceStats, all: &ResourceStats) -> Markup {
    let rows = [
        ("Hits", now.hits, all.hits),
        ("Near hits", now.near_hits, all.near_hits),
        ("Stale hits", now.stale_hits, all.stale_hits),
        ("Misses", now.misses, all.misses),
        ("Bypasses", now.bypasses, all.bypasses),
        ("Refused entries", now.rejected, all.rejected),
        ("Refreshed on request", now.refreshed, all.refreshed),
        ("Loads", now.loads, all.loads),
        ("Failed loads", now.failed_loads, all.failed_loads),
        ("Loads shared", now.shared_loads, all.shared_loads),
        ("Refreshes in the background", now.refreshes, all.refreshes),
        ("Entries stored", now.fills, all.fills),
        ("Results not stored", now.failed_fills, all.failed_fills),
    ];
    html! {
        table {
            caption.unseen { "Counts of the last minute and since the start" }
            thead {
                tr { th scope="col" { "Outcome" } th.number scope="col" { "Last minute" } th.number scope="col" { "Since the start" } }
            }
            tbody {
                @for (name, lately, total) in rows {
                    @let id = name.replace(' ', "-").to_lowercase();
                    tr {
                        th scope="row" { (name) }
                        td.number id={ "lately-" (id) } data-live { (count(lately)) }
                        td.number id={ "total-" (id) } data-live { (count(total)) }
                    }
                }
                tr {
                    th scope="row" { "Bytes read" }
                    td.number #lately-bytes data-live { (bytes(now.bytes_read)) }
                    td.number #total-bytes data-live { (bytes(all.bytes_read)) }
                }
            }
        }
    }
}

fn declaration(entry: &ResourceEntry, default_ttl: std::time::Duration) -> Markup {
    html! {
        dl.facts {
            dt { "TTL" }
            dd {
                @match entry.ttl {
                    Some(ttl) => (duration(ttl)),
                    None => { (duration(default_ttl)) ", the default of the cache" },
                }
            }
            dt { "Tenants" }
            dd { (tenancy(entry.tenancy)) }
            dt { "Scopes" }
            dd {
                @if entry.scopes.is_empty() { "none" }
                @for (i, scope) in entry.scopes.iter().enumerate() {
                    @if i > 0 { ", " }
                    code { (scope.name) @if !scope.ty.is_empty() { ": " (scope.ty) } }
                }
            }
            @for (name, value) in policies(&entry.policies) { dt { (name) } dd { (value) } }
            @if entry.crash_safe { dt { "Crash-safe" } dd { "yes" } }
            @if let Some(loads) = entry.max_loads { dt { "Loads at once" } dd { (loads) } }
            @if !entry.groups.is_empty() {
                dt { "Groups" }
                dd { @for (i, group) in entry.groups.iter().enumerate() { @if i > 0 { ", " } code { (group) } } }
            }
            dt { "Registry" }
            dd { code { (entry.module) } }
        }
    }
}

pub(super) fn tenancy(tenancy: Tenancy) -> &'static str {
    match tenancy {
        Tenancy::PerTenant => "each has entries of its own",
        Tenancy::Shared => "all share one copy",
    }
}

/// What is said of freshness, as it is spelt in the attribute.
pub(super) fn policies(policies: &PolicyEntry) -> Vec<(&'static str, String)> {
    let times = [
        ("stale_while_revalidate", policies.stale_while_revalidate),
        ("stale_if_error", policies.stale_if_error),
        ("load_timeout(soft)", policies.soft_timeout),
        ("load_timeout(hard)", policies.hard_timeout),
        ("negative_ttl", policies.negative_ttl),
    ];
    let times = times
        .into_iter()
        .filter_map(|(name, time)| Some((name, duration(time?))));
    let ahead = policies.refresh_ahead.map(|beta| ("refresh_ahead", number(beta)));
    let jitter = policies.jitter.map(|jitter| ("jitter", number(jitter)));
    let soft = policies.soft.then(|| ("soft", "yes".to_owned()));
    times.chain(ahead).chain(jitter).chain(soft).collect()
}

/// Where it is cached, and what invalidates it.
pub(super) fn relations(catalogue: &Catalogue, entry: &ResourceEntry) -> Markup {
    let functions: Vec<_> = catalogue
        .functions_of(entry.resource)
        .map(|function| &function.place)
        .collect();
    let mutations: Vec<_> = catalogue
        .mutations_of(entry.resource)
        .map(|mutation| &mutation.place)
        .collect();
    let tables: Vec<_> = catalogue.tables_of(entry.resource).collect();
    html! {
        dl.facts {
            dt { "Cached by" }
            dd {
                @if functions.is_empty() { "no function: it is declared, and never cached" }
                (places(&functions))
            }
            dt { "Invalidated by" }
            dd {
                @if mutations.is_empty() && tables.is_empty() { "nothing that is annotated: its TTL is the only bound" }
                (places(&mutations))
                @if !tables.is_empty() {
                    p {
                        "changes of "
                        @for (i, table) in tables.iter().enumerate() { @if i > 0 { ", " } code { (visible(&table.name)) } }
                    }
                }
            }
        }
    }
}

fn places(places: &[&Place]) -> Markup {
    html! {
        @if !places.is_empty() {
            ul.plain { @for at in places { li { code title=(visible(&at.path)) { (visible(&function_name(&at.path))) } (place(at)) } } }
        }
    }
}

pub(super) fn place(place: &Place) -> Markup {
    html! { " " span.place { (visible(&place.file)) ":" (place.line) } }
}
