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
mod x_cache;

pub use auth::{Claims, Tokens};
pub use router::{App, router, serve};
