//! The frame around every page.

use axum::response::{Html, IntoResponse, Response};
use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::text::visible;
use crate::dashboard::{
    assets::{ICON, SCRIPT, STYLE},
    links::Links,
};

/// The pages of the menu: name and address.
const MENU: [(&str, &str); 4] = [
    ("Resources", "resources"),
    ("Entries", "entries"),
    ("Hot keys", "hot"),
    ("Invalidate", "invalidate"),
];

/// What a page is about.
#[derive(Debug)]
pub(in crate::dashboard) struct Frame<'a> {
    pub(in crate::dashboard) links: &'a Links,
    /// The name of the service.
    pub(in crate::dashboard) service: &'a str,
    pub(in crate::dashboard) title: &'a str,
    /// The address of the menu that it is under; empty for the first page.
    pub(in crate::dashboard) menu: &'a str,
    /// Where its figures come from while it is open.
    pub(in crate::dashboard) events: Option<String>,
}

impl Frame<'_> {
    pub(in crate::dashboard) fn page(&self, body: &Markup) -> Response {
        Html(self.html(body).0).into_response()
    }

    fn html(&self, body: &Markup) -> Markup {
        let links = self.links;
        html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    title { (visible(self.title)) " · " (visible(self.service)) }
                    link rel="stylesheet" href=(links.page(&STYLE.address()));
                    link rel="icon" type="image/svg+xml" href=(links.page(&ICON.address()));
                    script src=(links.page(&SCRIPT.address())) defer {}
                }
                body {
                    a.skip href="#main" { "Skip to the content" }
                    header.top {
                        div.inner {
                            p.name { (visible(self.service)) }
                            nav aria-label="Pages" {
                                ul {
                                    (menu_item("Overview", links.home(), self.menu.is_empty()))
                                    @for (name, address) in MENU {
                                        (menu_item(name, &links.page(address), self.menu == address))
                                    }
                                }
                            }
                        }
                    }
                    main #main tabindex="-1" data-events=[self.events.as_deref()] {
                        div.heading {
                            h1 { (visible(self.title)) }
                            @if self.events.is_some() {
                                // The script has something to say and to press; without it there is nothing.
                                p.live #live hidden {
                                    span #live-state role="status" { "Connecting" }
                                    button #live-switch type="button" { "Pause" }
                                }
                            }
                        }
                        (body)
                    }
                }
            }
        }
    }
}

fn menu_item(name: &str, address: &str, is_current: bool) -> Markup {
    html! {
        li { a href=(address) aria-current=[is_current.then_some("page")] { (name) } }
    }
}

/// A page that stands alone, for those who get no other one.
pub(in crate::dashboard) fn bare_page(title: &str, body: &Markup) -> Html<String> {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) }
            }
            body { main { h1 { (title) } (body) } }
        }
    };
    Html(page.0)
}

/// A wide table, which is moved sideways in a narrow window: also by the keys.
pub(in crate::dashboard) fn wide(label: &str, table: &Markup) -> Markup {
    html! {
        div.wide role="region" aria-label=(label) tabindex="0" { (PreEscaped(&table.0)) }
    }
}

/// What stands in place of a list that is empty.
pub(in crate::dashboard) fn nothing(sentence: &str) -> Markup {
    html! { p.nothing { (sentence) } }
}
