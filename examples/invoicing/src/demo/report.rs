//! What was promised, what was measured, and whether that is enough.
use std::{fmt, time::Duration};

use comfy_table::{ContentArrangement, Table, presets::UTF8_FULL_CONDENSED};

/// As wide as a terminal and a page of documentation usually are.
const WIDTH: u16 = 110;

/// The rows of the table.
#[derive(Debug, Default)]
pub(super) struct Report {
    rows: Vec<[String; 3]>,
    missed: bool,
}

impl Report {
    /// A promise and whether it was kept.
    pub(super) fn promise(&mut self, promise: &str, measured: impl Into<String>, kept: bool) {
        self.missed |= !kept;
        self.row(promise, measured, if kept { "kept" } else { "MISSED" });
    }

    /// A promise that cannot be looked at here, and why.
    pub(super) fn not_applicable(&mut self, promise: &str, why: &str) {
        self.row(promise, why, "n/a");
    }

    /// A number that nobody promised.
    pub(super) fn note(&mut self, what: &str, measured: impl Into<String>) {
        self.row(what, measured, "");
    }

    /// Whether a promise was missed.
    pub(super) fn missed(&self) -> bool {
        self.missed
    }

    fn row(&mut self, what: &str, measured: impl Into<String>, verdict: &str) {
        self.rows.push([what.to_owned(), measured.into(), verdict.to_owned()]);
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new();
        table
            .load_style(UTF8_FULL_CONDENSED)
            .set_content_arrangement(ContentArrangement::Dynamic)
            .set_width(WIDTH);
        table.set_header(["promise", "measured", "verdict"]);
        for row in &self.rows {
            table.add_row(row);
        }
        write!(f, "{table}")
    }
}

/// A duration for the eye: `12.3 s`, `45.6 ms`, `0.8 ms`.
pub(super) fn shown(duration: Duration) -> String {
    if duration >= Duration::from_secs(1) {
        format!("{:.1} s", duration.as_secs_f64())
    } else {
        format!("{:.1} ms", duration.as_secs_f64() * 1000.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_missed_promise_is_a_missed_report() {
        let mut report = Report::default();
        report.promise("a", "1", true);
        report.not_applicable("b", "no Redis");
        report.note("c", "2");
        assert!(!report.missed());
        report.promise("d", "3", false);
        report.promise("e", "4", true);
        assert!(report.missed());
        assert!(report.to_string().contains("MISSED"));
    }

    #[test]
    fn durations_have_a_readable_unit() {
        assert_eq!(shown(Duration::from_millis(12_340)), "12.3 s");
        assert_eq!(shown(Duration::from_micros(800)), "0.8 ms");
    }
}
