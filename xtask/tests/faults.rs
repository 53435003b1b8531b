//! A few rows of `cargo xtask faults`, for a second each: no caller sees an error or an old value, and caching resumes.
//! docs/resilience.md says what a run is.

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
};

/// The invoicing example as the tests of the workspace have built it, beside this test's own program.
fn program() -> PathBuf {
    let program = Path::new(env!("CARGO_BIN_EXE_xtask")).with_file_name("invoicing");
    assert!(
        program.is_file(),
        "{} is not there: `cargo build --package invoicing` makes it",
        program.display()
    );
    program
}

fn faults(arguments: &[&str]) -> (Output, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_xtask"))
        .arg("faults")
        .args(arguments)
        .arg("--program")
        .arg(program())
        .output()
        .expect("the program was built with this test");
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (output, text)
}

#[test]
fn callers_notice_neither_a_dead_redis_nor_a_full_one_nor_a_failover() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let table = folder.path().join("table.md");
    let table_path = table.to_str().expect("its name is text");
    let (output, text) = faults(&[
        "--row",
        "2,7,11,18",
        "--seconds",
        "1",
        "--callers",
        "4",
        "--markdown",
        table_path,
    ]);
    assert!(output.status.success(), "{text}");
    let table = std::fs::read_to_string(table).expect("the table was written");
    for row in ["| 2 ", "| 7 ", "| 11 ", "| 18 "] {
        assert!(table.contains(row), "no row {row:?} in:\n{table}");
    }
}

#[test]
fn a_row_that_is_not_there_is_named() {
    let (output, text) = faults(&["--row", "99"]);
    assert!(!output.status.success() && text.contains("no row 99"), "{text}");
}
