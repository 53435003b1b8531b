//! Everywhere that the attributes can stand: each of these functions compiles under the lints of the workspace, runs,
//! and returns what its body returns.

mod arguments;
mod async_trait_impls;
mod boxed_by_hand;
mod cache_resources;
mod documented;
mod elsewhere;
mod generics;
mod hits;
mod instrumented;
mod invalidations;
mod methods;
mod native_traits;
mod options;
mod outliving;
mod registries;
mod returns;
mod strict;

use serde::{Deserialize, Serialize};

/// What may go wrong in the services of these tests.
#[derive(Debug, Clone, PartialEq, Eq)]
struct AppError(&'static str);

/// An argument of a type of its own.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Filter {
    company: i64,
    page: u32,
    region: String,
}

/// An argument that cannot be part of a key.
#[derive(Debug)]
struct Db;

/// A length as a number that bodies can calculate with.
fn count(length: usize) -> i64 {
    i64::try_from(length).expect("a short text")
}

/// Fails to compile for what is not `Send`.
fn assert_send<T: Send>(value: T) -> T {
    value
}
