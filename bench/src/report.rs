//! What comes out of a run: a table for each measurement, a file with every sample, a page of the book, and plots.

mod cells;
mod markdown;
mod plots;

use std::{fs, path::Path};

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

pub(crate) use self::cells::table;
use crate::{figure::Figure, machine::Machine};

/// All of a run.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Report {
    pub(crate) command: String,
    pub(crate) machine: Machine,
    pub(crate) figures: Vec<Figure>,
}

impl Report {
    pub(crate) fn read(file: &Path) -> Result<Self> {
        let json = fs::read(file).with_context(|| format!("{} cannot be read", file.display()))?;
        serde_json::from_slice(&json).with_context(|| format!("{} is no report", file.display()))
    }

    pub(crate) fn write(&self, file: &Path) -> Result<()> {
        let json = serde_json::to_vec_pretty(self)?;
        fs::write(file, json).with_context(|| format!("{} cannot be written", file.display()))
    }

    /// Puts the tables into a page, between the marks that it has for them.
    pub(crate) fn write_into(&self, page: &Path) -> Result<()> {
        let text = fs::read_to_string(page).with_context(|| format!("{} cannot be read", page.display()))?;
        let text = markdown::fill_in(&text, self)?;
        fs::write(page, text).with_context(|| format!("{} cannot be written", page.display()))
    }

    /// Draws what was measured along an axis, one file for each curve of ours.
    pub(crate) fn plot(&self, folder: &Path) -> Result<()> {
        fs::create_dir_all(folder).with_context(|| format!("{} cannot be made", folder.display()))?;
        plots::draw(&self.figures, folder)
    }

    /// The figures of one measurement.
    pub(crate) fn of(&self, table: &str) -> Vec<Figure> {
        let of_table = self.figures.iter().filter(|figure| figure.table == table);
        of_table.cloned().collect()
    }

    /// The figures that are not what they must be.
    pub(crate) fn missed(&self) -> impl Iterator<Item = &Figure> {
        self.figures.iter().filter(|figure| !figure.is_met())
    }
}
