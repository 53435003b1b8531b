//! The page of what is called most.

use axum::{extract::Query, response::Response};
use maud::{Markup, html};
use serde::Deserialize;

use super::overview::time;
use crate::{
    cache::HotKey,
    dashboard::{
        view::{
            figure::count,
            layout::{nothing, wide},
            text::code,
        },
        visit::Visit,
    },
};

/// So many are shown.
const SHOWN: usize = 50;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(in crate::dashboard) struct Wanted {
    resource: String,
}

pub(in crate::dashboard) async fn show(visit: Visit, Query(Wanted { resource }): Query<Wanted>) -> Response {
    let body = body(&visit, &resource);
    let events = visit
        .links
        .page_with("events", &[("page", "hot"), ("resource", &resource)]);
    visit.live_page("hot", "Hot keys", events, &body)
}

/// What the page shows now. Being looked at, it has calls counted.
pub(in crate::dashboard) fn body(visit: &Visit, resource: &str) -> Markup {
    let site = &visit.site;
    let since = site.hot_watch.look(&site.cache);
    let mut calls = site.cache.engine.hot_keys.watched();
    calls.retain(|(of, _)| resource.is_empty() || *of == resource);
    calls.sort_by(|(_, a), (_, b)| b.weight.cmp(&a.weight).then_with(|| a.arguments.cmp(&b.arguments)));
    calls.truncate(SHOWN);
    html! {
        p.lead {
            "The calls that this process makes most, by a sample of one in eight, since " (time(since))
            ". They are counted while this page is open, and for five minutes after."
        }
        form.row method="get" {
            div {
                label for="resource" { "Resource" }
                select #resource name="resource" {
                    option value="" { "all" }
                    @for entry in site.catalogue.resources() {
                        option value=(entry.name) selected[entry.name == resource] { (entry.name) }
                    }
                }
            }
            button type="submit" { "Show" }
        }
        div #hot data-live {
            @if calls.is_empty() { (nothing("No call has been counted yet.")) }
            @else { (wide("Hot keys", &table(&calls, site.shows_arguments))) }
        }
    }
}

fn table(calls: &[(&str, HotKey)], shows_arguments: bool) -> Markup {
    html! {
        table {
            caption.unseen { "The calls that are made most" }
            thead {
                tr {
                    th.number scope="col" { "Calls, about" }
                    th scope="col" { "Resource" }
                    th scope="col" { "Function" }
                    th scope="col" { "Tenant" }
                    th scope="col" { "Arguments" }
                }
            }
            tbody {
                @for (resource, call) in calls {
                    tr {
                        td.number { (count(call.weight)) }
                        td { (resource) }
                        td { (code(&call.function)) }
                        td { (code(call.tenant.as_deref().unwrap_or("default"))) }
                        td { @if shows_arguments { (code(&call.arguments)) } @else { "hidden" } }
                    }
                }
            }
        }
    }
}
