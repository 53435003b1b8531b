use std::{fmt::Write as _, time::Duration};

use comfy_table::{Cell, CellAlignment, Table, presets::ASCII_MARKDOWN};

use super::{
    matrix::{Row, Shown},
    outcome::{Added, Outcome},
};

const HEADER: [&str; 11] = [
    "row",
    "fault",
    "calls",
    "errors",
    "stale",
    "added before the breaker opened, p50 / p99",
    "added while it was open, p50 / p99",
    "opened",
    "resumed after",
    "connections per second",
    "peak memory",
];

/// The table, row by row.
pub(super) struct Report {
    table: Table,
    elsewhere: String,
    broken: usize,
}

impl Report {
    pub(super) fn new() -> Self {
        let mut table = Table::new();
        table.load_style(ASCII_MARKDOWN).set_header(HEADER);
        Self {
            table,
            elsewhere: String::new(),
            broken: 0,
        }
    }

    /// Adds a row that was run, and prints what it came to.
    pub(super) fn add(&mut self, row: &Row, outcome: &Outcome) {
        self.broken += usize::from(!outcome.is_kept());
        let cells = [
            row.number.to_string(),
            match &outcome.note {
                Some(note) => format!("{}: {note}", row.name),
                None => row.name.to_owned(),
            },
            outcome.calls.to_string(),
            outcome.errors.len().to_string(),
            outcome.stale.to_string(),
            added(outcome.before),
            added(outcome.after),
            outcome.opened.to_string(),
            outcome.resumed.map_or_else(|| "never".to_owned(), seconds),
            outcome.connections.to_string(),
            outcome.peak_memory.map_or_else(|| "–".to_owned(), megabytes),
        ];
        println!(
            "{:>2} {}: {}",
            row.number,
            row.name,
            if outcome.is_kept() { "kept" } else { "BROKEN" }
        );
        for line in &outcome.lines {
            println!("     log: {line}");
        }
        for broken in outcome.broken.iter().chain(outcome.errors.iter().take(3)) {
            println!("     BROKEN: {broken}");
        }
        let cells = cells.into_iter().enumerate();
        self.table.add_row(cells.map(|(column, text)| {
            let is_number = column > 1;
            Cell::new(text).set_alignment(if is_number {
                CellAlignment::Right
            } else {
                CellAlignment::Left
            })
        }));
    }

    /// Adds a row that a test shows.
    pub(super) fn refer(&mut self, row: &Row) {
        if let Shown::Test(tests) = row.shown {
            let _ = writeln!(self.elsewhere, "| {} | {} | {tests} |", row.number, row.name);
        }
    }

    pub(super) fn broken(&self) -> usize {
        self.broken
    }

    /// All of it, as Markdown.
    pub(super) fn markdown(&self) -> String {
        let mut text = format!("{}\n", self.table);
        if !self.elsewhere.is_empty() {
            let _ = write!(text, "\n| row | fault | shown by |\n|---|---|---|\n{}", self.elsewhere);
        }
        text
    }
}

fn added(added: Option<Added>) -> String {
    added.map_or_else(
        || "–".to_owned(),
        |Added { median, p99 }| format!("{:+.1} / {:+.1} ms", median * 1e3, p99 * 1e3),
    )
}

fn seconds(duration: Duration) -> String {
    format!("{:.2} s", duration.as_secs_f64())
}

fn megabytes(bytes: u64) -> String {
    format!("{} MiB", bytes >> 20)
}
