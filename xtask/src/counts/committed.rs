use std::{fs, path::Path};

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

use super::{Counts, toolchain::Toolchain};

const FILE: &str = "counts/committed.json";

/// What later counts are compared with.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Committed {
    pub(super) taken_with: Toolchain,
    pub(super) instructions: Counts,
}

impl Committed {
    pub(super) fn read(root: &Path) -> Result<Self> {
        let text = fs::read_to_string(root.join(FILE)).with_context(|| format!("{FILE} cannot be read"))?;
        serde_json::from_str(&text).with_context(|| format!("{FILE} does not hold counts"))
    }

    pub(super) fn write(&self, root: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self)? + "\n";
        fs::write(root.join(FILE), text).with_context(|| format!("{FILE} cannot be written"))
    }
}
