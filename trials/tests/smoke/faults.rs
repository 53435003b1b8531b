//! A few rows, for a second each: no caller sees an error or an old value, and caching resumes. docs/resilience.md says what
//! a run is.

use std::{ffi::OsStr, fs};

use crate::{Run, neighbour};

fn faults(arguments: &[&str]) -> Run {
    let program = neighbour("invoicing");
    let arguments = arguments.iter().map(OsStr::new);
    Run::of(
        "faults",
        arguments.chain([OsStr::new("--program"), program.as_os_str()]),
    )
}

#[test]
fn callers_notice_neither_a_dead_redis_nor_a_full_one_nor_a_failover() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let table = folder.path().join("table.md");
    let table_path = table.to_str().expect("its name is text");
    let run = faults(&[
        "--row",
        "2,7,11,18",
        "--seconds",
        "1",
        "--callers",
        "4",
        "--markdown",
        table_path,
    ]);
    run.assert_succeeded();
    let table = fs::read_to_string(table).expect("the table was written");
    for row in ["| 2 ", "| 7 ", "| 11 ", "| 18 "] {
        assert!(table.contains(row), "no row {row:?} in:\n{table}");
    }
}

#[test]
fn a_row_that_is_not_there_is_named() {
    faults(&["--row", "99"]).assert_refused("no row 99");
}
