//! `cargo xtask package`: what would be published of the crates that others depend on.

use std::{fs, path::Path};

use anyhow::{Context as _, Result, bail};

use crate::{
    cargo::cargo,
    metadata::{Metadata, Package},
    steps::execute,
};

/// What a crate's page on crates.io is made of.
const FIELDS: [&str; 7] = [
    "description",
    "license",
    "readme",
    "documentation",
    "keywords",
    "categories",
    "rust_version",
];

/// Puts the packages together, builds each from what is in it, and does everything else that publishing them does but the upload.
///
/// # Errors
///
/// If they could not be published.
pub(crate) fn run(root: &Path) -> Result<()> {
    cargo_with_all(root, &["publish", "--dry-run", "--all-features"])?;
    check_manifests(root)
}

/// Puts the packages together, without building them once more: that takes minutes.
///
/// # Errors
///
/// If they could not be published for what is in their manifests or missing there.
pub(crate) fn check(root: &Path) -> Result<()> {
    cargo_with_all(root, &["package", "--no-verify", "--quiet"])?;
    check_manifests(root)
}

fn cargo_with_all(root: &Path, arguments: &[&str]) -> Result<()> {
    let mut command = cargo(root, []);
    // This is about the packages, not about what is committed.
    command.args(arguments).arg("--allow-dirty");
    for package in Metadata::read(root)?.published() {
        command.args(["--package", package.name()]);
    }
    execute(&mut command)
}

/// Checks what cargo leaves to the author.
fn check_manifests(root: &Path) -> Result<()> {
    let metadata = Metadata::read(root)?;
    let mut wrong = Vec::new();
    for package in metadata.published() {
        let name = package.name();
        let missing = FIELDS.iter().filter(|field| !package.says(field));
        wrong.extend(missing.map(|field| format!("{name} has no `{field}`")));
        let documentation = root.join(name).join("src/lib.rs");
        let documentation = fs::read_to_string(&documentation).context("a library without src/lib.rs")?;
        let missing = undocumented(package, &documentation);
        wrong.extend(
            missing.map(|feature| format!("{name}/src/lib.rs does not say what the feature `{feature}` is for")),
        );
    }
    if wrong.is_empty() {
        return Ok(());
    }
    bail!("{}", wrong.join("; "))
}

/// The features that the crate's documentation does not name.
fn undocumented<'a>(package: Package<'a>, documentation: &str) -> impl Iterator<Item = &'a str> {
    let lines = documentation.lines().filter_map(|line| line.strip_prefix("//! "));
    let features: String = lines.skip_while(|&line| line != "# Crate features").collect();
    package
        .features()
        .filter(move |&feature| feature != "default" && !features.contains(&format!("`{feature}`")))
}
