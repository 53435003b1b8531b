//! `cargo xtask bench` runs this.

use std::process::ExitCode;

fn main() -> ExitCode {
    cache_bench::main()
}
