//! Invalidation by hand, in three steps: what is meant, what that will do, and what came of it.

use std::{fmt::Write as _, time::Instant};

use axum::{
    extract::{Form, Query},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use maud::{Markup, html};
use serde::Deserialize;

use super::refusal;
use crate::{
    Cache, Invalidate, InvalidateError, InvalidateTag, Invalidated, InvalidationPreview,
    catalogue::Catalogue,
    dashboard::{
        origin::Token,
        sampler::Figures,
        view::{
            figure::{counted, duration, rate, share},
            text::{code, prose, visible},
        },
        visit::Visit,
    },
    key::DEFAULT_TENANT,
};

/// What somebody wants to be invalidated, as the forms say it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(in crate::dashboard) struct Order {
    what: What,
    /// Of a resource, a group or a kind of tags; or a pattern.
    name: String,
    /// Of a tag.
    value: String,
    tenant: String,
    /// A line for each: `company=123`.
    scopes: String,
    soft: bool,
    token: String,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum What {
    #[default]
    Resource,
    Tag,
    Tenant,
}

/// An order that is understood.
enum Invalidation {
    ByName(Invalidate),
    OfTag(InvalidateTag),
}

impl What {
    fn as_str(self) -> &'static str {
        match self {
            Self::Resource => "resource",
            Self::Tag => "tag",
            Self::Tenant => "tenant",
        }
    }
}

impl Order {
    /// The tenant is always said: a dashboard is no request of one.
    fn tenant(&self) -> &str {
        let tenant = self.tenant.trim();
        if tenant.is_empty() { DEFAULT_TENANT } else { tenant }
    }

    fn read(&self, cache: &Cache) -> Result<Invalidation, String> {
        let name = self.name.trim();
        let strength = |invalidate: Invalidate| if self.soft { invalidate.soft() } else { invalidate };
        match self.what {
            What::Tenant if self.tenant.trim().is_empty() => Err("Name the tenant.".to_owned()),
            What::Tenant => Ok(Invalidation::ByName(strength(cache.invalidate_tenant(self.tenant())))),
            What::Tag if name.is_empty() => Err("Name the kind of tags.".to_owned()),
            What::Tag => {
                let invalidate = cache.invalidate_tag(name, &self.value).tenant(self.tenant());
                Ok(Invalidation::OfTag(invalidate))
            }
            What::Resource if name.is_empty() => Err("Name a resource or a group, or write a pattern.".to_owned()),
            What::Resource => {
                let mut invalidate = strength(cache.invalidate(name).tenant(self.tenant()));
                for (scope, value) in self.scopes()? {
                    invalidate = invalidate.scope(scope, value);
                }
                Ok(Invalidation::ByName(invalidate))
            }
        }
    }

    fn scopes(&self) -> Result<Vec<(&str, &str)>, String> {
        let lines = self.scopes.lines().map(str::trim).filter(|line| !line.is_empty());
        lines.map(scope).collect()
    }

    /// The call that does the same.
    fn call(&self) -> String {
        let mut call = match self.what {
            What::Resource => format!("cache.invalidate({:?}).tenant({:?})", self.name.trim(), self.tenant()),
            What::Tag => format!(
                "cache.invalidate_tag({:?}, {:?}).tenant({:?})",
                self.name.trim(),
                self.value,
                self.tenant()
            ),
            What::Tenant => format!("cache.invalidate_tenant({:?})", self.tenant()),
        };
        for (scope, value) in self.scopes().unwrap_or_default() {
            let _ = write!(call, ".scope({scope:?}, {value:?})");
        }
        call + if self.soft { ".soft().await" } else { ".await" }
    }

    /// What is meant, in a few words.
    fn subject(&self) -> String {
        match self.what {
            What::Resource => self.name.trim().to_owned(),
            What::Tag => format!("the tag {} {}", self.name.trim(), self.value),
            What::Tenant => format!("everything of the tenant {}", self.tenant()),
        }
    }
}

impl Invalidation {
    fn preview(&self) -> Result<InvalidationPreview, InvalidateError> {
        match self {
            Self::ByName(invalidate) => invalidate.preview(),
            Self::OfTag(invalidate) => invalidate.preview(),
        }
    }

    async fn run(self) -> Result<Invalidated, InvalidateError> {
        match self {
            Self::ByName(invalidate) => invalidate.await,
            Self::OfTag(invalidate) => invalidate.await,
        }
    }
}

/// A scope and its value.
fn scope(line: &str) -> Result<(&str, &str), String> {
    let pair = line.split_once('=');
    let (name, value) = pair.ok_or_else(|| {
        format!("`{line}` names no scope: write its name, an equals sign and its value, such as company=123.")
    })?;
    Ok((name.trim(), value.trim()))
}

/// The first step.
pub(in crate::dashboard) async fn ask(visit: Visit, Query(order): Query<Order>) -> Response {
    page_of_forms(&visit, &order, None)
}

/// The second: nothing is done yet.
pub(in crate::dashboard) async fn confirm(visit: Visit, Query(order): Query<Order>) -> Response {
    if !visit.rights.may_invalidate {
        return page_of_forms(&visit, &order, None);
    }
    let preview = order
        .read(&visit.site.cache)
        .and_then(|invalidation| invalidation.preview().map_err(|error| error.to_string()));
    match preview {
        Err(error) => page_of_forms(&visit, &order, Some(&error)),
        Ok(preview) => {
            let figures = visit.site.sampler.figures(&visit.site.cache);
            let token = Token::of(&visit.headers);
            let body = confirmation(&visit, &order, &preview, &figures, &token);
            let title = format!("Invalidate {}?", order.subject());
            with_cookie(visit.page("invalidate", &title, &body), &token)
        }
    }
}

/// The third.
pub(in crate::dashboard) async fn run(visit: Visit, Form(order): Form<Order>) -> Response {
    if !Token::is_of(&order.token, &visit.headers) {
        return refusal::page(
            StatusCode::FORBIDDEN,
            "Nothing was done: the form is not of this browser",
            "It has no token, or another one than the cookie that came with it. Open the page again and send the form from there; cookies \
             have to be allowed.",
        );
    }
    let invalidation = match order.read(&visit.site.cache) {
        Ok(invalidation) => invalidation,
        Err(error) => return page_of_forms(&visit, &order, Some(&error)),
    };
    let began = Instant::now();
    match invalidation.run().await {
        Err(error) => page_of_forms(&visit, &order, Some(&error.to_string())),
        Ok(invalidated) => {
            let took = duration(began.elapsed());
            let body = html! {
                (outcome(invalidated, &took))
                p { code { (visible(&order.call())) } }
                div.actions {
                    a href=(visit.links.page("invalidate")) { "Invalidate something else" }
                    a href=(visit.links.home()) { "Overview" }
                }
            };
            visit.page("invalidate", &format!("Invalidated {}", order.subject()), &body)
        }
    }
}

fn outcome(invalidated: Invalidated, took: &str) -> Markup {
    match invalidated {
        Invalidated::Acknowledged => html! {
            p.message.good role="status" {
                "Done, and acknowledged by the store after " (took) ": no call that begins from now on, in any process, is given what was \
                 cached before."
            }
        },
        Invalidated::Pending => html! {
            p.message role="status" {
                "Written down, and not acknowledged yet: the store does not answer. It is sent again until it is acknowledged, and this \
                 process loads anew meanwhile; other processes that still reach the store may serve what was cached."
            }
        },
    }
}

fn page_of_forms(visit: &Visit, order: &Order, error: Option<&str>) -> Response {
    let catalogue = &visit.site.catalogue;
    let body = html! {
        @if let Some(error) = error { p.message.bad role="alert" { (prose(error)) } }
        @if visit.rights.may_invalidate {
            p.lead {
                "What is invalidated is loaded anew by the next call, in every process. Nothing happens before you have seen what will."
            }
            div.columns {
                (form_of_resources(visit, order, catalogue))
                (form_of_tags(visit, order, catalogue))
                (form_of_tenants(visit, order))
            }
        } @else {
            p.message { "You may look, and change nothing." }
        }
    };
    let status = if error.is_some() {
        StatusCode::UNPROCESSABLE_ENTITY
    } else {
        StatusCode::OK
    };
    (status, visit.page("invalidate", "Invalidate", &body)).into_response()
}

fn form(visit: &Visit, what: What, legend: &str, fields: &Markup) -> Markup {
    html! {
        form.block action=(visit.links.page("confirm")) method="get" {
            h2 { (legend) }
            input type="hidden" name="what" value=(what.as_str());
            (fields)
            div { button type="submit" { "Look at what it would do" } }
        }
    }
}

/// A text field under its label, with what was written there.
fn field(id: &str, name: &str, label: &str, value: &str, hint: &str) -> Markup {
    html! {
        div {
            label for=(id) { (label) }
            input #(id) name=(name) value=(value) placeholder=(hint) autocomplete="off" spellcheck="false";
        }
    }
}

fn form_of_resources(visit: &Visit, order: &Order, catalogue: &Catalogue) -> Markup {
    let is_meant = order.what == What::Resource;
    let given = |text: &'_ str| if is_meant { text.to_owned() } else { String::new() };
    let fields = html! {
        div {
            label for="resource-name" { "Resource, group or pattern" }
            input #resource-name name="name" value=(given(&order.name)) list="names" required autocomplete="off" spellcheck="false"
                placeholder="dashboard_*";
            datalist #names {
                @for entry in catalogue.resources() { option value=(entry.name) {} }
                @for group in catalogue.groups() { option value=(group.name) { "group" } }
            }
        }
        (field("resource-tenant", "tenant", "Tenant", &given(&order.tenant), DEFAULT_TENANT))
        div {
            label for="resource-scopes" { "Only these scope values, a line for each" }
            textarea #resource-scopes name="scopes" rows="2" placeholder="company=123" spellcheck="false" { (given(&order.scopes)) }
        }
        @if catalogue.resources().iter().any(|entry| entry.policies.soft) { (soft("resource-soft", is_meant && order.soft)) }
    };
    form(visit, What::Resource, "By resource or scope", &fields)
}

fn form_of_tags(visit: &Visit, order: &Order, catalogue: &Catalogue) -> Markup {
    if catalogue.tags().is_empty() {
        return html! {};
    }
    let is_meant = order.what == What::Tag;
    let given = |text: &'_ str| if is_meant { text.to_owned() } else { String::new() };
    let fields = html! {
        div {
            label for="tag-name" { "Kind" }
            select #tag-name name="name" {
                @for tag in catalogue.tags() {
                    option value=(tag.kind.name) selected[is_meant && order.name == tag.kind.name] { (tag.kind.name) }
                }
            }
        }
        (field("tag-value", "value", "Value", &given(&order.value), "123"))
        (field("tag-tenant", "tenant", "Tenant", &given(&order.tenant), DEFAULT_TENANT))
    };
    form(visit, What::Tag, "By tag", &fields)
}

fn form_of_tenants(visit: &Visit, order: &Order) -> Markup {
    let is_meant = order.what == What::Tenant;
    let tenant = if is_meant { &*order.tenant } else { "" };
    let fields = html! {
        div {
            label for="tenant-name" { "Tenant" }
            input #tenant-name name="tenant" value=(tenant) required autocomplete="off" spellcheck="false";
        }
    };
    form(visit, What::Tenant, "Everything of a tenant", &fields)
}

fn soft(id: &str, is_checked: bool) -> Markup {
    html! {
        label.check for=(id) {
            input #(id) type="checkbox" name="soft" value="true" checked[is_checked];
            span { "Softly: what is cached may be returned while one caller loads it again" }
        }
    }
}

fn confirmation(
    visit: &Visit,
    order: &Order,
    preview: &InvalidationPreview,
    figures: &Figures,
    token: &Token,
) -> Markup {
    html! {
        section aria-labelledby="effect" {
            h2 #effect { "What it will do" }
            ul.plain.lead {
                li { (what_becomes_unusable(order, preview)) }
                li {
                    @if preview.everything {
                        "Every stamp of every tenant is removed, for which every key of the store is looked at."
                    } @else {
                        (counted(preview.stamps as u64, "stamp is", "stamps are")) " removed in one round trip, however many entries there \
                         are. Their memory is given back in the background."
                    }
                }
                li { (what_it_costs(preview, figures)) }
            }
        }
        p { "The same in code: " code { (visible(&order.call())) } }
        form action=(visit.links.page("invalidate")) method="post" {
            @for (name, value) in [
                ("what", order.what.as_str()),
                ("name", &order.name),
                ("value", &order.value),
                ("tenant", &order.tenant),
                ("scopes", &order.scopes),
                ("soft", if order.soft { "true" } else { "false" }),
                ("token", token.as_str()),
            ] { input type="hidden" name=(name) value=(value); }
            div.actions {
                button.danger type="submit" { "Invalidate" }
                a href=(visit.links.page("invalidate")) { "Cancel" }
            }
        }
    }
}

fn what_becomes_unusable(order: &Order, preview: &InvalidationPreview) -> Markup {
    let scopes = order.scopes().unwrap_or_default();
    html! {
        @if preview.tags.is_empty() { "What is cached of " } @else { "Whatever a load has tagged with " }
        @for (i, name) in preview.tags.iter().chain(preview.resources.iter().filter(|_| preview.tags.is_empty())).enumerate() {
            @if i > 0 { ", " }
            (code(name))
            @if order.what == What::Tag { " " (code(&order.value)) }
        }
        @for (i, (scope, value)) in scopes.iter().enumerate() {
            @if i == 0 { " with " } @else { " and " }
            (code(scope)) " " (code(value))
        }
        @if preview.tenants.iter().any(|tenant| tenant != "~shared") { " of the tenant " (code(order.tenant())) }
        @if preview.tenants.iter().any(|tenant| tenant == "~shared") { " and of what tenants share" }
        @if order.soft { " is old: it may be returned while one caller loads it again." }
        @else { " can be returned to nobody any more, in every process." }
    }
}

/// How much more the database is asked for, going by the last minute.
fn what_it_costs(preview: &InvalidationPreview, figures: &Figures) -> Markup {
    let of = figures
        .each
        .iter()
        .filter(|lately| preview.resources.iter().any(|name| name == lately.counts.resource));
    let counts = of.map(|lately| lately.counts.clone()).reduce(|all, one| all.plus(&one));
    html! {
        @match counts {
            Some(counts) if counts.calls() > 0 => {
                "The next call of each of its keys loads. In the last minute this process has answered " (share(counts.hit_rate()))
                " of " (rate(figures.per_second(counts.calls()))) " calls from the cache"
                @if let Some(p99) = counts.load_latency.quantile(0.99) { ", and loads took up to " (duration(p99)) " (p99)" }
                "."
            }
            _ => "The next call of each of its keys loads. In the last minute this process was asked for none of them.",
        }
    }
}

fn with_cookie(mut response: Response, token: &Token) -> Response {
    if let Ok(cookie) = HeaderValue::from_str(&token.cookie()) {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    response
}
