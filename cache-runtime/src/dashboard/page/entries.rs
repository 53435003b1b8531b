//! The pages of what stands in the store: keys, a page at a time, and one entry with all that can be told of it.

use axum::{
    extract::Query,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use maud::{Markup, html};
use serde::Deserialize;

use super::overview::time;
use crate::{
    dashboard::{
        condition::Health,
        links::Links,
        redaction::Redaction,
        view::{
            figure::{bytes, count, counted, duration},
            layout::{nothing, wide},
            text::{code, cut, lines, visible},
        },
        visit::Visit,
    },
    inspect::{
        EntryHead, EntryReport, EntryState, Inspector, Key, KeyFilter, KeyKind, KeySummary, Payload, PayloadForm,
        StampReport,
    },
    store::{ScanCursor, StoreError},
};

/// So many keys of the store are looked at for a page, whatever is found.
const SCANNED: usize = 1000;

/// So many of those that were found are shown at most.
const SHOWN: usize = 200;

/// So much of a payload is shown, in characters.
const PAYLOAD: usize = 100_000;

/// Which keys somebody wants to see.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(in crate::dashboard) struct Wanted {
    tenant: String,
    resource: String,
    /// Where the page begins, as the store says it.
    cursor: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(in crate::dashboard) struct Named {
    key: String,
}

impl Wanted {
    fn filter(&self) -> KeyFilter {
        let mut filter = KeyFilter::entries();
        match self.tenant.trim() {
            "" => {}
            "~shared" => filter = filter.shared(),
            tenant => filter = filter.tenant(tenant),
        }
        if !self.resource.trim().is_empty() {
            filter = filter.resource(self.resource.trim());
        }
        filter
    }

    /// The page that begins here.
    fn from(&self, cursor: &str, links: &Links) -> String {
        links.page_with(
            "entries",
            &[
                ("tenant", &self.tenant),
                ("resource", &self.resource),
                ("cursor", cursor),
            ],
        )
    }
}

/// What was found for a page.
struct Found {
    entries: Vec<KeySummary>,
    next: Option<ScanCursor>,
    /// How many more were found than are shown.
    more: usize,
}

pub(in crate::dashboard) async fn list(visit: Visit, Query(wanted): Query<Wanted>) -> Response {
    let Some(inspector) = visit.site.cache.inspector() else {
        return without_store(&visit);
    };
    let found = find(&inspector, &wanted).await;
    let status = if found.is_ok() {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let body = html! {
        (form(&visit, &wanted))
        @match &found {
            Err(error) => (failed(error)),
            Ok(found) => (listed(found, &wanted, &visit.links)),
        }
    };
    (status, visit.page("entries", "Entries", &body)).into_response()
}

async fn find(inspector: &Inspector, wanted: &Wanted) -> Result<Found, StoreError> {
    let cursor = (!wanted.cursor.is_empty()).then(|| ScanCursor::new(&*wanted.cursor));
    let mut page = inspector.keys(&wanted.filter(), cursor.as_ref(), SCANNED).await?;
    // A scan may bring a key twice.
    page.keys.sort_by(|one, other| one.text.cmp(&other.text));
    page.keys.dedup();
    let more = page.keys.len().saturating_sub(SHOWN);
    page.keys.truncate(SHOWN);
    Ok(Found {
        entries: inspector.summaries(&page.keys).await?,
        next: page.next,
        more,
    })
}

fn without_store(visit: &Visit) -> Response {
    let body = nothing("The cache is disabled: it has no store to look into.");
    visit.page("entries", "Entries", &body)
}

fn failed(error: &StoreError) -> Markup {
    html! { p.message.bad role="alert" { "The store could not be looked into: " (visible(&error.to_string())) } }
}

fn form(visit: &Visit, wanted: &Wanted) -> Markup {
    html! {
        form.row action=(visit.links.page("entries")) method="get" role="search" {
            div {
                label for="tenant" { "Tenant" }
                input #tenant name="tenant" value=(wanted.tenant) placeholder="all" autocomplete="off" spellcheck="false";
            }
            div {
                label for="resource" { "Resource or pattern" }
                input #resource name="resource" value=(wanted.resource) placeholder="all" list="names" autocomplete="off" spellcheck="false";
                datalist #names { @for entry in visit.site.catalogue.resources() { option value=(entry.name) {} } }
            }
            button type="submit" { "Show" }
        }
    }
}

fn listed(found: &Found, wanted: &Wanted, links: &Links) -> Markup {
    html! {
        @if found.entries.is_empty() {
            (nothing(if found.next.is_some() {
                "No entry among the keys that were looked at. There are more."
            } else {
                "No entry."
            }))
        } @else {
            (wide("Entries", &table(found, links)))
        }
        @if found.more > 0 {
            p.note { (counted(found.more as u64, "more was found", "more were found")) " than a page shows: say which you want." }
        }
        @if let Some(next) = &found.next {
            p.actions {
                a.button href=(wanted.from(next.as_str(), links)) rel="next" { "Look further" }
                span.note { "About " (count(SCANNED as u64)) " keys of the store are looked at for a page." }
            }
        }
    }
}

fn table(found: &Found, links: &Links) -> Markup {
    html! {
        table {
            caption { (counted(found.entries.len() as u64, "entry", "entries")) @if found.next.is_some() { " on this page" } }
            thead {
                tr {
                    th scope="col" { "Resource" }
                    th scope="col" { "Tenant" }
                    th scope="col" { "Scopes and hash" }
                    th scope="col" { "State" }
                    th.number.more scope="col" { "Age" }
                    th.number scope="col" { "Kept for" }
                    th.number.more scope="col" { "Load took" }
                    th.number.more scope="col" { "Size" }
                }
            }
            tbody {
                @for entry in &found.entries {
                    @let key = &entry.key;
                    tr {
                        td { (code(key.resource.as_deref().map_or("–", name_of))) }
                        td { (code(key.tenant.as_deref().unwrap_or("–"))) }
                        th scope="row" {
                            a href=(links.page_with("entry", &[("key", &key.text)])) { (code(&rest_of(key))) }
                        }
                        td { (state(entry.state)) }
                        td.number.more { (entry.head.as_ref().map_or_else(dash, |head| duration(whole(head.age)))) }
                        td.number { (entry.time_left.map_or_else(|| "for good".to_owned(), |left| duration(whole(left)))) }
                        td.number.more { (entry.head.as_ref().map_or_else(dash, |head| duration(head.load_duration))) }
                        td.number.more { (bytes(entry.size)) }
                    }
                }
            }
        }
    }
}

fn name_of(resource: &str) -> &str {
    super::overview::resource_name(resource)
}

/// What tells a key from others of its resource and tenant.
fn rest_of(key: &Key) -> String {
    let scopes = key.scopes.iter().map(ToString::to_string);
    let hash = key.hash.clone().filter(|_| key.kind == KeyKind::Entry);
    let parts: Vec<_> = scopes.chain(hash).collect();
    if parts.is_empty() {
        key.text.clone()
    } else {
        parts.join(" ")
    }
}

fn dash() -> String {
    "–".to_owned()
}

/// Whole seconds of what is a matter of seconds.
fn whole(time: std::time::Duration) -> std::time::Duration {
    let seconds = std::time::Duration::from_secs(time.as_secs());
    if seconds.is_zero() { time } else { seconds }
}

fn state(state: EntryState) -> Markup {
    let health = match state {
        EntryState::Fresh => Health::Good,
        EntryState::Refused => Health::Bad,
        EntryState::Stale => Health::Attention,
        _ => Health::Quiet,
    };
    html! { span class={ "health " (health.class()) } { (state.as_str()) } }
}

pub(in crate::dashboard) async fn show(visit: Visit, Query(Named { key }): Query<Named>) -> Response {
    let Some(inspector) = visit.site.cache.inspector() else {
        return without_store(&visit);
    };
    let (status, body) = match inspector.entry(&key).await {
        Err(error) => (StatusCode::SERVICE_UNAVAILABLE, failed(&error)),
        Ok(None) => (
            StatusCode::NOT_FOUND,
            nothing("Nothing stands under this key: its time is over, or it was swept."),
        ),
        // A dashboard shows what the cache has stored. What else is in the store is nobody's business here.
        Ok(Some(report)) if !report.summary.key.kind.is_entry() => {
            (StatusCode::NOT_FOUND, nothing("This key is none of an entry."))
        }
        Ok(Some(report)) => (StatusCode::OK, entry(&visit, &report)),
    };
    let body = html! {
        p { (code(&key)) }
        (body)
    };
    (status, visit.page("entries", "Entry", &body)).into_response()
}

fn entry(visit: &Visit, report: &EntryReport) -> Markup {
    let summary = &report.summary;
    html! {
        div.columns {
            section aria-labelledby="facts" {
                h2 #facts { "Entry" }
                dl.facts {
                    dt { "State" }
                    dd {
                        (state(summary.state))
                        @for reason in &report.reasons { p.note { (lines(reason)) } }
                    }
                    dt { "Kind" }
                    dd { (summary.key.kind.as_str()) }
                    (of_key(&summary.key))
                    @if let Some(head) = &summary.head { (of_head(head)) }
                    dt { "Kept for" }
                    dd { (summary.time_left.map_or_else(|| "good".to_owned(), |left| duration(whole(left)))) }
                    dt { "Size" }
                    dd {
                        (bytes(summary.size))
                        @if let Some(size) = report.payload_size { ", its payload " (bytes(size)) }
                    }
                }
                @if visit.rights.may_invalidate { (invalidations(visit, &summary.key)) }
            }
            section aria-labelledby="stamps" {
                h2 #stamps { "Stamps" }
                @if report.stamps.is_empty() { (nothing("None.")) } @else { (wide("Stamps", &stamps(&report.stamps))) }
            }
        }
        section aria-labelledby="payload" {
            h2 #payload { "Payload" }
            (payload(&visit.site.redactions.of(report), report.payload.as_ref()))
        }
    }
}

fn of_key(key: &Key) -> Markup {
    html! {
        @if let Some(resource) = &key.resource { dt { "Resource" } dd { (code(name_of(resource))) } }
        @if let Some(tenant) = &key.tenant { dt { "Tenant" } dd { (code(tenant)) } }
        @for scope in &key.scopes { dt { (cut(&visible(&scope.name), 60)) } dd { (code(&scope.value)) } }
        @if let Some(namespace) = &key.namespace { dt { "Namespace" } dd { (code(namespace)) } }
    }
}

fn of_head(head: &EntryHead) -> Markup {
    html! {
        dt { "Stored" }
        dd { (time(head.created_at)) ", " (duration(whole(head.age))) " ago" }
        dt { "TTL" }
        dd { (duration(head.ttl)) }
        dt { "Load took" }
        dd { (duration(head.load_duration)) }
        dt { "Written as" }
        dd {
            (visible(&head.codec))
            @if head.compression != "none" { ", compressed by " (visible(&head.compression)) }
            @if head.is_signed { ", signed" }
            @if head.is_negative { ", negative: there is nothing, or an error" }
        }
    }
}

/// What leads to the invalidation of it, narrow and wide.
fn invalidations(visit: &Visit, key: &Key) -> Markup {
    let (Some(resource), Some(tenant)) = (&key.resource, &key.tenant) else {
        return html! {};
    };
    if key.kind != KeyKind::Entry {
        return html! {};
    }
    let scopes: Vec<_> = key
        .scopes
        .iter()
        .map(|scope| format!("{}={}", scope.name, scope.value))
        .collect();
    let tenant = if tenant == "~shared" { "" } else { tenant };
    let link = |scopes: &str| {
        let order = [
            ("what", "resource"),
            ("name", resource),
            ("tenant", tenant),
            ("scopes", scopes),
        ];
        visit.links.page_with("confirm", &order)
    };
    html! {
        div.actions {
            @if !scopes.is_empty() { a href=(link(&scopes.join("\n"))) { "Invalidate " (cut(&visible(&scopes.join(", ")), 80)) } }
            a href=(link("")) { "Invalidate all of the resource" }
        }
    }
}

fn stamps(stamps: &[StampReport]) -> Markup {
    html! {
        table {
            caption.unseen { "The stamps that it was loaded under" }
            thead {
                tr { th scope="col" { "Stamp" } th scope="col" { "Loaded under" } th scope="col" { "Is it current?" } }
            }
            tbody {
                @for stamp in stamps {
                    tr {
                        th scope="row" { (code(stamp.key.as_deref().unwrap_or("not known here"))) }
                        td { (code(&stamp.loaded_under)) }
                        td {
                            @match stamp.is_current {
                                Some(true) => span.health.good { "current" },
                                Some(false) => span.health.quiet { @if stamp.current.is_some() { "another one" } @else { "gone" } },
                                None => "not known",
                            }
                        }
                    }
                }
            }
        }
    }
}

fn payload(redaction: &Redaction, payload: Option<&Payload>) -> Markup {
    let Some(payload) = payload else {
        return nothing("None that can be shown.");
    };
    let (text, note) = match redaction {
        Redaction::Show => (payload.text.as_str(), None),
        Redaction::Replace(text) => (text.as_str(), Some("Redacted by the service.")),
        _ => return nothing("Hidden by the service."),
    };
    let shown = cut(text, PAYLOAD);
    let is_cut = payload.is_cut || shown.len() < text.len();
    html! {
        @if let Some(note) = note { p.note { (note) } }
        @if matches!(payload.form, PayloadForm::Hex) && note.is_none() { p.note { "No text: in hex digits." } }
        pre.payload tabindex="0" role="region" aria-label="Payload" { (lines(shown)) }
        @if is_cut { p.note { "The rest is not shown." } }
    }
}
