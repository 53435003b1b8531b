//! What is answered in place of a page.

use axum::{
    http::StatusCode,
    response::{IntoResponse, Response},
};
use maud::html;

use crate::dashboard::view::layout::bare_page;

/// A page that says what is not done, and why.
pub(in crate::dashboard) fn page(status: StatusCode, title: &str, reason: &str) -> Response {
    (status, bare_page(title, &html! { p { (reason) } })).into_response()
}
