//! `cargo xtask api`: the public interface of the crates that others depend on, against the listings that are committed.

mod listing;
mod semver;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;

use self::listing::{Listing, toolchain};
use crate::{
    cargo::{self, Profile},
    metadata::Metadata,
    rustdoc,
};

/// What is done with the listings.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Commit to what the public interface is now: write it to public-api.txt of each crate.
    #[arg(long)]
    update: bool,
}

/// Lists, and compares or commits. The code says whether the public interface is the one that is committed.
///
/// # Errors
///
/// If it could not be listed.
pub(crate) fn run(root: &Path, options: &Options) -> Result<ExitCode> {
    ensure!(
        rustdoc::command(root)?.status()?.success(),
        "the crates are not documented"
    );
    let listings = list(root)?;
    if options.update {
        for (file, listing) in listings {
            listing.write(&file)?;
            println!("{} is written", file.display());
        }
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(reason) = reason_to_skip(root)? {
        println!("{reason}: what follows says little about the code");
    }
    let same = compare(&listings)?;
    let compatible = semver::check(root)?;
    Ok(if same && compatible {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Why the listings cannot be compared on this machine, if they cannot: each Rust tells some things differently.
///
/// # Errors
///
/// If a committed listing cannot be read.
pub(crate) fn reason_to_skip(root: &Path) -> Result<Option<String>> {
    let here = toolchain(root)?;
    for package in Metadata::read(root)?.published() {
        let package = package.name();
        let then = Listing::read(&file(root, package))?.toolchain;
        if then != here {
            return Ok(Some(format!("{package} was listed with {then}, and this is {here}")));
        }
    }
    Ok(None)
}

/// Fails if the public interface, of which [`rustdoc::command`] has written, is another one than is committed.
///
/// # Errors
///
/// Then, and if it cannot be listed.
pub(crate) fn check(root: &Path) -> Result<()> {
    if compare(&list(root)?)? {
        return Ok(());
    }
    bail!(
        "the public interface has changed; if it should have, say so in CHANGELOG.md and run `cargo xtask api --update`"
    )
}

fn file(root: &Path, package: &str) -> PathBuf {
    root.join(package).join("public-api.txt")
}

/// The listings as they are now, each with the file that it is committed in.
fn list(root: &Path) -> Result<Vec<(PathBuf, Listing)>> {
    let lister = cargo::program(root, "api", Profile::Dev)?;
    let metadata = Metadata::read(root)?;
    let documented = metadata.target()?.join("doc");
    let here = toolchain(root)?;
    let listings = metadata.published().into_iter().map(|package| {
        let package = package.name();
        let json = documented.join(package.replace('-', "_")).with_extension("json");
        let listing = Listing::make(&lister, &json, &here).with_context(|| format!("{package} cannot be listed"))?;
        Ok((file(root, package), listing))
    });
    listings.collect()
}

/// Prints what differs from what is committed, and returns whether nothing does.
fn compare(listings: &[(PathBuf, Listing)]) -> Result<bool> {
    let mut same = true;
    for (file, now) in listings {
        let differences = Listing::read(file)?.differences(now);
        if differences.is_empty() {
            println!("{}: as committed", file.display());
            continue;
        }
        same = false;
        println!("{}:", file.display());
        for difference in differences {
            println!("{difference}");
        }
    }
    Ok(same)
}
