//! The service over HTTP: thin handlers, and what surrounds them.

mod auth;
mod companies;
mod dashboard;
mod error;
mod input;
mod invoices;
mod metrics;
mod router;
mod treasury;

pub use auth::{Claims, Tokens};
pub use router::{App, router, serve};
