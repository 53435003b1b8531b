//! The catalogue of a made-up service: what is in it, how it is drawn, and what is found in it. The service has each fault that is
//! looked for once, and stands beside it for what is none. One without any is the program `catalogue_clean`.

mod cache_resources;
mod commands;
mod contents;
mod graph;
mod lint;
mod service;
mod sources;
