use std::{fmt::Write as _, ops::Range};

use anyhow::{Context as _, Result};

use super::{
    Report,
    cells::{COLUMNS, cells},
};
use crate::{figure::Figure, figures::ALL, machine::Machine};

/// The mark of what is not a measurement: the machine, the versions and the command.
const MACHINE: &str = "machine";

/// Replaces what stands between `<!-- NAME -->` and `<!-- /NAME -->` for every measurement of the report. What was not
/// measured stays.
///
/// # Errors
///
/// If a mark is missing.
pub(super) fn fill_in(page: &str, report: &Report) -> Result<String> {
    let mut page = page.to_owned();
    let measured = ALL.iter().map(|measurement| measurement.name);
    for name in measured {
        let figures = report.of(name);
        if !figures.is_empty() {
            let between = between(&page, name)?;
            page.replace_range(between, &rows(&figures));
        }
    }
    let between = between(&page, MACHINE)?;
    page.replace_range(between, &description(&report.machine, &report.command));
    Ok(page)
}

fn between(page: &str, name: &str) -> Result<Range<usize>> {
    let missing = || format!("the page has no `<!-- {name} -->` before a `<!-- /{name} -->`");
    let begin = format!("<!-- {name} -->\n");
    let start = page.find(&begin).with_context(missing)? + begin.len();
    let length = page[start..].find(&format!("<!-- /{name} -->")).with_context(missing)?;
    Ok(start..start + length)
}

fn rows(figures: &[Figure]) -> String {
    let mut text = line(&COLUMNS);
    text += "|---|---|---|---|---|---|---|\n";
    for figure in figures {
        text += &line(&cells(figure));
    }
    format!("\n{text}\n")
}

fn line(cells: &[impl AsRef<str>]) -> String {
    let mut line = "|".to_owned();
    for cell in cells {
        // Writing to a String cannot fail.
        let _ = write!(line, " {} |", cell.as_ref());
    }
    line.push('\n');
    line
}

fn description(machine: &Machine, command: &str) -> String {
    let Machine {
        processor,
        cores,
        memory,
        kernel,
        rustc,
        redis,
        peers,
    } = machine;
    let mut text = "\n| | |\n|---|---|\n".to_owned();
    for (name, value) in [
        ("processor", processor.as_str()),
        ("cores", &cores.to_string()),
        ("memory", memory),
        ("kernel", kernel),
        ("compiler", rustc),
        ("server", redis),
        ("peers", &peers.join(", ")),
        ("command", &format!("`{command}`")),
    ] {
        text += &line(&[name, value]);
    }
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_between_two_marks_is_found() {
        let page = "before\n<!-- key -->\nold\n<!-- /key -->\nafter\n";
        let between = between(page, "key").expect("both marks are there");
        assert_eq!(&page[between], "old\n");
    }

    #[test]
    fn the_page_has_a_place_for_each_measurement() {
        let page = include_str!("../../../docs/benchmarks.md");
        for measurement in ALL {
            between(page, measurement.name).expect("both marks are there");
        }
        between(page, MACHINE).expect("both marks are there");
    }

    #[test]
    fn a_missing_mark_is_named() {
        let error = between("<!-- key -->\n", "key").expect_err("there is no end");
        assert!(error.to_string().contains("<!-- /key -->"), "{error}");
    }
}
