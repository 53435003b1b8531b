use comfy_table::{Cell, CellAlignment, Table, presets::NOTHING};

use crate::figure::{Figure, Series};

pub(super) const COLUMNS: [&str; 7] = ["", "ours", "against", "theirs", "ratio", "must be", ""];

/// The columns of numbers.
const NUMBERS: [usize; 3] = [1, 3, 4];

/// A table for the terminal.
pub(crate) fn table(figures: &[Figure]) -> Table {
    let mut table = Table::new();
    table.load_style(NOTHING).set_header(COLUMNS);
    for figure in figures {
        let cells = cells(figure).into_iter().enumerate();
        table.add_row(cells.map(|(column, text)| {
            let alignment = if NUMBERS.contains(&column) {
                CellAlignment::Right
            } else {
                CellAlignment::Left
            };
            Cell::new(text).set_alignment(alignment)
        }));
    }
    table
}

/// A figure's row, under [`COLUMNS`].
pub(super) fn cells(figure: &Figure) -> [String; COLUMNS.len()] {
    let Figure { unit, ours, must, .. } = figure;
    let shown = |series: &Series| match series.spread() {
        Some(spread) => {
            let [median, min, max] = [spread.median, spread.min, spread.max].map(|value| unit.show(value));
            format!("{median} ({min}..{max})")
        }
        None => "not measured".to_owned(),
    };
    let against = figure.against.as_ref();
    [
        figure.label(),
        shown(ours),
        against.map(|peer| peer.name.clone()).unwrap_or_default(),
        against.map(shown).unwrap_or_default(),
        figure.ratios().map(|ratios| ratios.to_string()).unwrap_or_default(),
        must.map(|must| must.show(*unit)).unwrap_or_default(),
        match must {
            None => "",
            Some(_) if figure.is_met() => "met",
            Some(_) => "MISSED",
        }
        .to_owned(),
    ]
}
