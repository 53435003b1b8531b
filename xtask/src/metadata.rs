//! What cargo says about the workspace.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::cargo::cargo;

/// The workspace's packages, and where cargo builds them.
#[derive(Debug)]
pub(crate) struct Metadata(Value);

impl Metadata {
    /// Asks cargo.
    ///
    /// # Errors
    ///
    /// If `cargo metadata` fails or says something else than expected.
    pub(crate) fn read(root: &Path) -> Result<Self> {
        let output = cargo(root, ["metadata", "--no-deps", "--format-version", "1"])
            .output()
            .context("`cargo metadata` could not be run")?;
        if !output.status.success() {
            bail!(
                "`cargo metadata` failed: {}",
                String::from_utf8_lossy(&output.stderr).trim()
            );
        }
        let metadata: Value = serde_json::from_slice(&output.stdout).context("`cargo metadata` did not print JSON")?;
        if !metadata["packages"].is_array() {
            bail!("`cargo metadata` named no packages");
        }
        Ok(Self(metadata))
    }

    /// The packages that others may depend on.
    pub(crate) fn published(&self) -> Vec<Package<'_>> {
        let packages = self.0["packages"].as_array().into_iter().flatten();
        // `publish = false` is told as an empty list of registries.
        let published = packages.filter(|package| package["publish"].is_null());
        published.map(Package).collect()
    }

    /// The names of the programs that no library goes with.
    pub(crate) fn bare_programs(&self) -> Vec<&str> {
        let packages = self.0["packages"].as_array().into_iter().flatten();
        let targets = packages.map(|package| Package(package).targets());
        let bare = targets.filter(|targets| !targets.iter().any(|(kind, _)| is_library(kind)));
        let programs = bare.flatten().filter(|(kind, _)| *kind == "bin");
        programs.map(|(_, name)| name).collect()
    }

    /// Where cargo puts what it makes.
    ///
    /// # Errors
    ///
    /// If it does not say.
    pub(crate) fn target(&self) -> Result<PathBuf> {
        let folder = self.0["target_directory"].as_str();
        folder
            .map(PathBuf::from)
            .context("`cargo metadata` named no target folder")
    }
}

/// A package of the workspace.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Package<'a>(&'a Value);

impl<'a> Package<'a> {
    pub(crate) fn name(self) -> &'a str {
        self.0["name"].as_str().unwrap_or_default()
    }

    pub(crate) fn features(self) -> impl Iterator<Item = &'a str> {
        let features = self.0["features"].as_object();
        features
            .into_iter()
            .flat_map(|features| features.keys().map(String::as_str))
    }

    /// Kind and name of each.
    fn targets(self) -> Vec<(&'a str, &'a str)> {
        let targets = self.0["targets"].as_array().into_iter().flatten();
        let targets = targets.map(|target| (target["kind"][0].as_str(), target["name"].as_str()));
        targets.filter_map(|(kind, name)| kind.zip(name)).collect()
    }

    /// Whether the manifest says something about this.
    pub(crate) fn says(self, field: &str) -> bool {
        let said = &self.0[field];
        said.as_str().is_some_and(|text| !text.is_empty()) || said.as_array().is_some_and(|list| !list.is_empty())
    }
}

fn is_library(kind: &str) -> bool {
    ["lib", "proc-macro"].contains(&kind)
}
