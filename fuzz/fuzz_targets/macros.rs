#![no_main]

/// The modules of `cache-macros`: what a procedural macro's crate holds cannot be called from outside of it.
#[path = "../../cache-macros/src"]
mod sources {
    pub(crate) mod args;
    pub(crate) mod diag;
    pub(crate) mod duration;
    pub(crate) mod entry;
    pub(crate) mod expand;
    pub(crate) mod fallback;
    pub(crate) mod function;
    pub(crate) mod lower;
    pub(crate) mod model;
    pub(crate) mod paths;
    pub(crate) mod uses;
}

// They name each other from the crate's root.
use sources::{args, diag, duration, entry, expand, fallback, function, lower, model, paths, uses};

#[path = "../checks/macros.rs"]
mod macros;

libfuzzer_sys::fuzz_target!(|data: &[u8]| macros::check(data));
