//! Lists the public interface of a crate, from what rustdoc says of it: `api target/doc/cache_runtime.json`.
//!
//! A program of its own, so that `cargo xtask setup` need not wait for what reads rustdoc's JSON.

use anyhow::{Context as _, Result};
use public_api::Builder;

fn main() -> Result<()> {
    let json = std::env::args_os()
        .nth(1)
        .context("which JSON of rustdoc? `api target/doc/cache_runtime.json`")?;
    let listing = Builder::from_rustdoc_json(&json)
        // The same for every type, and decided elsewhere.
        .omit_blanket_impls(true)
        .build()
        .with_context(|| format!("{} cannot be read", json.display()))?;
    print!("{listing}");
    Ok(())
}
