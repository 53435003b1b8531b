//! Changes that other programs make to a database.

mod books;
mod cache_resources;
mod postgres;
mod relay;
