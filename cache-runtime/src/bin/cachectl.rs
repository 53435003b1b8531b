//! The program; `cachectl --help` says what it does.

fn main() -> std::process::ExitCode {
    cache_runtime::commands::cachectl()
}
