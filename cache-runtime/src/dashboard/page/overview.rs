//! The first page: whether the cache earns its keep, and what is wrong.

use axum::response::Response;
use maud::{Markup, html};

use crate::{
    Cache, ResourceStats,
    dashboard::{
        Site,
        condition::{Condition, Notice, of_cache, of_resource},
        links::Links,
        sampler::{Figures, Lately},
        view::{
            chart::Chart,
            figure::{bytes, count, duration, rate, share},
            layout::wide,
            text::{lines, visible},
            tile::tiles,
        },
        visit::Visit,
    },
};

pub(in crate::dashboard) async fn show(visit: Visit) -> Response {
    let body = body(&visit.site, &visit.links);
    visit.live_page("", "Overview", visit.links.page("events"), &body)
}

/// What the page shows now.
pub(in crate::dashboard) fn body(site: &Site, links: &Links) -> Markup {
    let figures = site.sampler.figures(&site.cache);
    html! {
        (notices(&of_cache(&site.cache, &figures)))
        section aria-labelledby="lately" {
            h2 #lately { "Last minute" }
            (tiles(&figures, &figures.all, &figures.total))
        }
        section aria-labelledby="resources" {
            h2 #resources { "Resources" }
            (wide("Resources", &table(&figures, links)))
        }
        section aria-labelledby="store" {
            h2 #store { "Store and background work" }
            (store(&site.cache, &figures))
        }
        p.as-of #as-of data-live {
            "Counted in this process alone, process " (std::process::id()) ", as of " (time(std::time::SystemTime::now())) "."
        }
    }
}

/// What is wrong. Read out when it changes; when nothing is, nothing is said.
fn notices(notices: &[Notice]) -> Markup {
    html! {
        div.concerns role="status" {
            ul #concerns data-live hidden[notices.is_empty()] {
                @for notice in notices {
                    li class=(notice.health.class()) {
                        strong { (notice.title) }
                        p { (visible(&notice.consequence)) }
                    }
                }
            }
        }
    }
}

fn table(figures: &Figures, links: &Links) -> Markup {
    let mut rows: Vec<&Lately> = figures.each.iter().collect();
    rows.sort_by_key(|row| (std::cmp::Reverse(row.counts.calls()), row.counts.resource));
    html! {
        table {
            caption.unseen { "Each resource in the last minute" }
            thead {
                tr {
                    th scope="col" { "Resource" }
                    th scope="col" { "Health" }
                    th.number scope="col" { "Calls" }
                    th.number scope="col" { "Hit rate" }
                    th.more scope="col" { "Last 10 min" }
                    th.number.more scope="col" { "Lookup p99" }
                    th.number scope="col" { "Load p99" }
                    th.number.more scope="col" { "Time saved" }
                }
            }
            tbody { @for row in rows { (table_row(row, figures, links)) } }
        }
    }
}

fn table_row(row: &Lately, figures: &Figures, links: &Links) -> Markup {
    let ResourceStats {
        resource,
        lookup_latency,
        load_latency,
        load_time_saved,
        ..
    } = &row.counts;
    let p99 = |latency: &crate::Latencies| latency.quantile(0.99).map_or_else(|| "–".to_owned(), duration);
    let calls = row.counts.calls();
    let hit_rate = (calls > 0).then(|| share(row.counts.hit_rate()));
    let Condition { health, words } = of_resource(&row.counts);
    let cell = |name: &str| format!("{resource}-{name}");
    let number = |name: &str, more: bool, value: &str| {
        html! {
            td.number.more[more] id=(cell(name)) data-live { (value) }
        }
    };
    html! {
        tr {
            th scope="row" { a href=(links.page_with("resource", &[("name", *resource)])) { (resource_name(resource)) } }
            td id=(cell("health")) data-live { span class={ "health " (health.class()) } { (words) } }
            (number("calls", false, &rate(figures.per_second(calls))))
            (number("hits", false, hit_rate.as_deref().unwrap_or("–")))
            td.more id=(cell("course")) data-live { (course(resource, row, figures)) }
            (number("lookup", true, &p99(lookup_latency)))
            (number("load", false, &p99(load_latency)))
            (number("saved", true, &format!("{} s/s", crate::dashboard::view::figure::number(figures.per_second_of(*load_time_saved)))))
        }
    }
}

/// The name, and what stands in place of one.
pub(in crate::dashboard) fn resource_name(resource: &str) -> &str {
    if resource == "~" { "values by key" } else { resource }
}

fn course(resource: &str, row: &Lately, figures: &Figures) -> Markup {
    let values: Vec<_> = row.courses.iter().map(|course| course.hit_rate).collect();
    let least = values.iter().flatten().copied().reduce(f64::min);
    let sentence = match least {
        Some(least) => format!(
            "Hit rate of {} in the last ten minutes: at least {}",
            resource_name(resource),
            share(least)
        ),
        None => format!("Hit rate of {}: nothing yet", resource_name(resource)),
    };
    let chart = Chart {
        sentence: &sentence,
        values: &values,
        outages: &figures.outages,
        top: 1.0,
    };
    chart.svg()
}

fn store(cache: &Cache, figures: &Figures) -> Markup {
    let stats = &figures.stats;
    let engine = &cache.engine;
    let description = engine.upstream.store_even_if_closed().map(|store| store.description());
    let relays = engine.relay_notes.all();
    let pending = stats.pending_invalidations;
    html! {
        dl.facts {
            dt { "Store" }
            dd {
                @match &description {
                    Some(description) => code { (visible(description)) },
                    None => "none: the cache is disabled",
                }
            }
            dt { "Breaker" }
            dd #breaker data-live { (breaker(cache)) }
            dt { "Journal" }
            dd #journal data-live {
                (count(pending)) " of at most " (count(engine.settings.journal_limit as u64))
                " lines: invalidations that wait for an acknowledgement"
            }
            dt { "Near cache" }
            dd #near data-live {
                (count(stats.near_entries)) " values, about " (bytes(stats.near_bytes))
            }
            dt { "Invalidations" }
            dd #invalidations data-live {
                (count(stats.invalidations)) " since the start; sweeps have removed " (count(stats.swept)) " entries"
            }
            @if relays.is_empty() {
                dt { "Relay" }
                dd { "none: changes that other programs make to the database are not followed" }
            }
            @for (number, relay) in relays.iter().enumerate() {
                dt { "Relay" }
                dd id={ "relay-" (number) } data-live {
                    (relay.state) ": " code { (lines(&relay.source)) } "; "
                    @match relay.lag.is_zero() {
                        true => "nothing waits",
                        false => { "the oldest change waits for " (duration(relay.lag)) }
                    }
                    ", " (count(relay.relayed)) " relayed by this process"
                    @if let Some(error) = &relay.error { ". " (lines(error)) }
                }
            }
        }
    }
}

fn breaker(cache: &Cache) -> &'static str {
    let health = &cache.engine.upstream.health;
    match cache.engine.upstream.store_even_if_closed() {
        None => "no store to watch",
        Some(_) if health.is_starting() => "starting: the store has not been reached yet",
        Some(_) if health.is_trusted() => "closed: calls ask the store",
        Some(_) => "open: calls run uncached until the store answers a probe again",
    }
}

/// In UTC, to the second.
pub(in crate::dashboard) fn time(time: std::time::SystemTime) -> String {
    humantime::format_rfc3339_seconds(time)
        .to_string()
        .replace('T', " ")
        .replace('Z', " UTC")
}
