//! The check of what the workspace depends on, with `cargo-deny`: `deny.toml` says what is fine.

use std::{
    path::Path,
    process::{Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};

use crate::{setup, steps::Steps};

/// How long fetching the advisories may take. Some networks answer nothing rather than no.
const FETCHING: Duration = Duration::from_mins(1);
const POLL: Duration = Duration::from_millis(100);

/// Checks licences, versions and sources, and where their database can be fetched the advisories.
pub(crate) fn check(root: &Path, steps: &mut Steps) {
    let Some(deny) = setup::tool(root, "cargo-deny") else {
        steps.skip(
            "dependencies",
            "cargo-deny is not installed, and setup could not install it",
        );
        return;
    };
    let command = |arguments: &[&str]| {
        let mut command = Command::new(&deny);
        command.args(arguments).current_dir(root);
        command
    };
    // Warnings, of crates that are there twice, are for those who look for them: `cargo deny check bans`.
    steps.command(
        "dependencies",
        &mut command(&["--log-level", "error", "check", "bans", "licenses", "sources"]),
    );
    let fetched = finishes_within(FETCHING, command(&["fetch", "db"]).stderr(Stdio::null()));
    match fetched {
        Ok(true) => steps.command("advisories", &mut command(&["check", "advisories"])),
        Ok(false) => steps.skip("advisories", "the database of RustSec cannot be fetched from here"),
        Err(error) => steps.run("advisories", || Err(error)),
    }
}

fn finishes_within(limit: Duration, command: &mut Command) -> Result<bool> {
    let mut running = command.spawn().context("cargo-deny could not be run")?;
    let began = Instant::now();
    loop {
        if let Some(status) = running.try_wait()? {
            return Ok(status.success());
        }
        if began.elapsed() > limit {
            running.kill()?;
            running.wait()?;
            return Ok(false);
        }
        sleep(POLL);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_does_not_answer_is_not_waited_for() {
        assert!(!finishes_within(Duration::ZERO, Command::new("sleep").arg("60")).unwrap());
    }

    #[test]
    fn whether_it_was_done_is_known() {
        let limit = Duration::from_secs(10);
        assert!(finishes_within(limit, &mut Command::new("true")).unwrap());
        assert!(!finishes_within(limit, &mut Command::new("false")).unwrap());
    }
}
