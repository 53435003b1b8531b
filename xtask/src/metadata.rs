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

    /// Whether the manifest says something about this.
    pub(crate) fn says(self, field: &str) -> bool {
        let said = &self.0[field];
        said.as_str().is_some_and(|text| !text.is_empty()) || said.as_array().is_some_and(|list| !list.is_empty())
    }
}
