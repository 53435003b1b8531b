//! Changes that other programs make to a database.

mod books;
mod cache_resources;
mod postgres;
mod relay;
mod sources;
mod sqlite;
mod sqlite_resources;
mod triggers;
