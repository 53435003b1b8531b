//! `cargo xtask fuzz`: runs the fuzz targets one after the other.

use std::{fs, path::Path, process::Command};

use anyhow::{Context as _, Result, bail};
use clap::Args;

use crate::cargo::cargo;

/// What `cargo fuzz` calls a target without `AddressSanitizer`, which only a nightly compiler has. The crates forbid `unsafe`,
/// so a panic is all that it could find, too.
const WITHOUT_SANITIZER: [&str; 2] = ["--sanitizer", "none"];

/// A single input that takes longer, or more memory, is a bug.
const TIMEOUT_SECONDS: u32 = 10;
const MEMORY_MB: u32 = 2048;

/// What is run, and for how long.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// How long each target runs.
    #[arg(long, value_name = "N", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..))]
    seconds: u64,
    /// Only this target; may be given several times. Default: all of them.
    #[arg(long, value_name = "NAME")]
    target: Vec<String>,
}

/// Runs the targets; goes on after one that failed, and names those in the end.
///
/// # Errors
///
/// If `cargo-fuzz` cannot be installed, if a target is unknown, or if one found something.
pub(crate) fn run(root: &Path, options: &Options) -> Result<()> {
    let known = targets(root)?;
    let mut wanted = options.target.clone();
    if let Some(unknown) = wanted.iter().find(|target| !known.contains(target)) {
        bail!(
            "there is no fuzz target `{unknown}`: the targets are {}",
            known.join(", ")
        );
    }
    if wanted.is_empty() {
        wanted = known;
    }
    install()?;
    let mut failed = Vec::new();
    for target in wanted {
        println!("\n=== fuzz {target}, {} s", options.seconds);
        if !command(root, &target, options.seconds)?.status()?.success() {
            failed.push(target);
        }
    }
    if !failed.is_empty() {
        bail!(
            "{} failed: what did it is in fuzz/artifacts. Once mended, keep it in fuzz/seeds, where every test run checks it",
            failed.join(", ")
        );
    }
    Ok(())
}

/// The names of the targets: of the folders with their seeds.
fn targets(root: &Path) -> Result<Vec<String>> {
    let seeds = root.join("fuzz/seeds");
    let mut names = Vec::new();
    for entry in fs::read_dir(&seeds).with_context(|| format!("{} cannot be read", seeds.display()))? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

fn install() -> Result<()> {
    if which::which("cargo-fuzz").is_ok() {
        return Ok(());
    }
    println!("fuzz: cargo install cargo-fuzz --locked");
    let installed = Command::new("cargo")
        .args(["install", "cargo-fuzz", "--locked"])
        .status()
        .context("`cargo install` could not be run")?;
    if !installed.success() {
        bail!("`cargo install cargo-fuzz --locked` failed ({installed}): install it by hand");
    }
    Ok(())
}

fn command(root: &Path, target: &str, seconds: u64) -> Result<Command> {
    let fuzz = root.join("fuzz");
    // What the engine adds goes into the first folder.
    let corpus = fuzz.join("corpus").join(target);
    fs::create_dir_all(&corpus).with_context(|| format!("{} cannot be made", corpus.display()))?;
    let mut command = cargo(root, ["fuzz", "run"]);
    command
        .args(WITHOUT_SANITIZER)
        .args(["--fuzz-dir", "fuzz", target])
        .arg(corpus)
        .arg(fuzz.join("seeds").join(target))
        .arg("--")
        .args([
            format!("-max_total_time={seconds}"),
            format!("-timeout={TIMEOUT_SECONDS}"),
            format!("-rss_limit_mb={MEMORY_MB}"),
            "-print_final_stats=1".to_owned(),
        ]);
    Ok(command)
}
