//! The alerts for Prometheus: whether they are well-formed, and fire when they should and not otherwise.

use std::{path::Path, process::Command};

use crate::{
    setup,
    steps::{Steps, execute},
};

const ALERTS: &str = "docs/monitoring/alerts.yml";
const TESTS: &str = "docs/monitoring/alerts_test.yml";

/// Checks the alerts, if there is a promtool to do it.
pub(crate) fn check(root: &Path, steps: &mut Steps) {
    let Some(promtool) = setup::tool(root, "promtool") else {
        return steps.skip(
            "alerts",
            "promtool is not here: `cargo xtask setup` installs it with Prometheus",
        );
    };
    let check = |words: &[&str]| execute(command(root, &promtool).args(words));
    steps.run("alerts", || {
        check(&["check", "rules", ALERTS])?;
        check(&["test", "rules", TESTS])
    });
}

fn command(root: &Path, promtool: &Path) -> Command {
    let mut command = Command::new(promtool);
    command.current_dir(root);
    command
}
