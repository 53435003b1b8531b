//! What a command says: one JSON document, or lines and tables for people.

use std::io::Write;

use comfy_table::{Cell, CellAlignment, Table, presets};
use serde::Serialize;

use super::{CommandError, format::printable};

pub(super) struct Output<'a> {
    writer: &'a mut (dyn Write + Send),
    json: bool,
    is_terminal: bool,
}

/// How the text of a column stands in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Column {
    Text(&'static str),
    Number(&'static str),
}

impl<'a> Output<'a> {
    pub(super) fn new(writer: &'a mut (dyn Write + Send), json: bool, is_terminal: bool) -> Self {
        Self {
            writer,
            json,
            is_terminal,
        }
    }

    /// The document, if that is what is wanted; otherwise what `people` writes.
    pub(super) fn either(
        mut self,
        document: &impl Serialize,
        people: impl FnOnce(&mut Self) -> Result<(), CommandError>,
    ) -> Result<(), CommandError> {
        if self.json {
            serde_json::to_writer_pretty(&mut self.writer, document)?;
            writeln!(self.writer)?;
        } else {
            people(&mut self)?;
        }
        self.writer.flush()?;
        Ok(())
    }

    /// One of many documents, a line each; or a line for people.
    pub(super) fn event(&mut self, document: &impl Serialize, line: &str) -> Result<(), CommandError> {
        if self.json {
            serde_json::to_writer(&mut self.writer, document)?;
            writeln!(self.writer)?;
        } else {
            self.line(line)?;
        }
        self.writer.flush()?;
        Ok(())
    }

    /// A line, in which nothing reaches a terminal that would mean something to it.
    pub(super) fn line(&mut self, line: &str) -> Result<(), CommandError> {
        writeln!(self.writer, "{}", printable(line))?;
        Ok(())
    }

    /// A table: with lines on a terminal, aligned everywhere. Nothing, if there are no rows.
    pub(super) fn table(
        &mut self,
        columns: &[Column],
        rows: impl IntoIterator<Item = Vec<String>>,
    ) -> Result<(), CommandError> {
        let mut table = Table::new();
        table.load_style(if self.is_terminal {
            presets::UTF8_FULL_CONDENSED
        } else {
            presets::NOTHING
        });
        table.set_header(columns.iter().map(|column| column.cell(column.name())));
        for row in rows {
            let cells = columns.iter().zip(row);
            table.add_row(cells.map(|(column, text)| column.cell(&printable(&text))));
        }
        if !table.is_empty() {
            // Without lines around them, cells are padded at both ends.
            for line in table.lines() {
                let line = if self.is_terminal { &line } else { line.trim_end() };
                let line = line.strip_prefix(' ').unwrap_or(line);
                writeln!(self.writer, "{line}")?;
            }
        }
        Ok(())
    }
}

impl Column {
    fn name(self) -> &'static str {
        match self {
            Self::Text(name) | Self::Number(name) => name,
        }
    }

    fn cell(self, text: &str) -> Cell {
        Cell::new(text).set_alignment(match self {
            Self::Text(_) => CellAlignment::Left,
            Self::Number(_) => CellAlignment::Right,
        })
    }
}
