//! An accounting service whose dashboards are cached with `cache-runtime`.
//!
//! What to look at first: [`cache_resources`] declares everything that is cached; [`services`] are ordinary structs with
//! SQL in their methods and an annotation above each; [`caching`] is all the code that handles the cache itself.

pub mod cache_resources;
pub mod caching;
pub mod cli;
pub mod commands;
pub mod day;
pub mod db;
pub mod demo;
pub mod error;
pub mod http;
pub mod model;
pub mod money;
pub mod services;
pub mod user;
