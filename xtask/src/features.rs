//! Which sets of cargo features the workspace's crates must build with.

use std::path::Path;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::cargo::cargo;

/// Whether a crate of the workspace has features, so that there is more than one set to build.
///
/// # Errors
///
/// If `cargo metadata` fails or says something else than expected.
pub(crate) fn exist(root: &Path) -> Result<bool> {
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
    let packages = metadata["packages"]
        .as_array()
        .context("`cargo metadata` named no packages")?;
    Ok(packages.iter().any(|package| {
        package["features"]
            .as_object()
            .is_some_and(|features| !features.is_empty())
    }))
}
