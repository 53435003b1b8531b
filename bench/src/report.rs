//! What comes out: tables to read, and a file with every sample.

use std::path::Path;

use anyhow::{Context as _, Result};
use comfy_table::{Cell, CellAlignment, Table, presets::NOTHING};
use serde::{Deserialize, Serialize};

use crate::{figure::Figure, machine::Machine};

/// All of a run.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Report {
    pub(crate) command: String,
    pub(crate) machine: Machine,
    pub(crate) figures: Vec<Figure>,
}

impl Report {
    pub(crate) fn write(&self, file: &Path) -> Result<()> {
        let json = serde_json::to_vec_pretty(self)?;
        std::fs::write(file, json).with_context(|| format!("{} cannot be written", file.display()))
    }

    /// The figures that have not reached what they must.
    pub(crate) fn missed(&self) -> impl Iterator<Item = &Figure> {
        self.figures.iter().filter(|figure| !figure.is_met())
    }
}

/// The cells of a figure's row; the columns are [`COLUMNS`].
pub(crate) fn row(figure: &Figure) -> [String; 7] {
    let side = |series: &crate::figure::Series| match series.spread() {
        Some(spread) => format!(
            "{} ({}..{})",
            figure.unit.show(spread.median),
            figure.unit.show(spread.min),
            figure.unit.show(spread.max)
        ),
        None => "-".to_owned(),
    };
    let against = figure.against.as_ref();
    [
        figure.label(),
        side(&figure.ours),
        against.map(|series| series.name.clone()).unwrap_or_default(),
        against.map(side).unwrap_or_default(),
        figure.ratios().map(|ratios| ratios.to_string()).unwrap_or_default(),
        figure.must.map(|must| must.show(figure.unit)).unwrap_or_default(),
        match figure.must {
            None => String::new(),
            Some(_) if figure.is_met() => "met".to_owned(),
            Some(_) => "MISSED".to_owned(),
        },
    ]
}

pub(crate) const COLUMNS: [&str; 7] = ["", "ours", "against", "theirs", "ratio", "must be", ""];

/// A table for the terminal.
pub(crate) fn table(figures: &[Figure]) -> Table {
    let mut table = Table::new();
    table.load_style(NOTHING).set_header(COLUMNS);
    for figure in figures {
        let cells = row(figure).into_iter().enumerate();
        table.add_row(cells.map(|(column, text)| {
            let cell = Cell::new(text);
            if matches!(column, 1 | 3 | 4) {
                cell.set_alignment(CellAlignment::Right)
            } else {
                cell
            }
        }));
    }
    table
}
