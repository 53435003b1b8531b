//! A few seconds of every trial.

mod bounds;
mod consistency;
mod faults;
mod soak;

use std::{ffi::OsStr, fmt, path::PathBuf, process::Command};

/// A trial that was run.
#[derive(Debug)]
struct Run {
    succeeded: bool,
    printed: String,
    errors: String,
}

impl Run {
    fn of(trial: &str, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        let output = Command::new(env!("CARGO_BIN_EXE_trials"))
            .arg(trial)
            .args(arguments)
            .output()
            .expect("the program was built with this test");
        let text = |bytes| String::from_utf8(bytes).expect("what it prints is text");
        Self {
            succeeded: output.status.success(),
            printed: text(output.stdout),
            errors: text(output.stderr),
        }
    }

    /// The figures.
    fn last_line(&self) -> &str {
        self.printed.lines().last().unwrap_or_default()
    }

    /// One of the figures, which are all `name=number`.
    fn figure(&self, name: &str) -> u64 {
        let figure = self
            .last_line()
            .split(' ')
            .find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
        figure
            .and_then(|figure| figure.parse().ok())
            .unwrap_or_else(|| panic!("no {name} in the last line of:\n{self}"))
    }

    #[track_caller]
    fn assert_succeeded(&self) {
        assert!(self.succeeded, "{self}");
    }

    #[track_caller]
    fn assert_refused(&self, reason: &str) {
        assert!(!self.succeeded && self.errors.contains(reason), "{self}");
    }
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.printed, self.errors)
    }
}

/// A program of another package, as the tests of the workspace have built it, beside this test's own.
fn neighbour(program: &str) -> PathBuf {
    let program = PathBuf::from(env!("CARGO_BIN_EXE_trials")).with_file_name(program);
    assert!(
        program.is_file(),
        "{} is not there: `cargo build --workspace --bins` makes it",
        program.display()
    );
    program
}
