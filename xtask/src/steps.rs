//! Runs named steps one after the other, times them, and sums them up.

use std::{
    fmt,
    process::{Command, ExitCode},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};

/// The steps run so far. All of them run, whatever becomes of the ones before.
#[derive(Debug, Default)]
pub(crate) struct Steps {
    done: Vec<Step>,
}

#[derive(Debug)]
struct Step {
    name: &'static str,
    outcome: Outcome,
    took: Duration,
}

#[derive(Debug)]
enum Outcome {
    Passed,
    Failed(String),
    Skipped(String),
}

impl Steps {
    /// Runs a step and reports it.
    pub(crate) fn run(&mut self, name: &'static str, step: impl FnOnce() -> Result<()>) {
        println!("\n=== {name}");
        let started = Instant::now();
        let outcome = match step() {
            Ok(()) => Outcome::Passed,
            Err(error) => Outcome::Failed(format!("{error:#}")),
        };
        self.push(Step {
            name,
            outcome,
            took: started.elapsed(),
        });
    }

    /// Runs a command as a step.
    pub(crate) fn command(&mut self, name: &'static str, command: &mut Command) {
        self.run(name, || execute(command));
    }

    /// Notes a step that cannot run here.
    pub(crate) fn skip(&mut self, name: &'static str, reason: impl Into<String>) {
        println!("\n=== {name}");
        self.push(Step {
            name,
            outcome: Outcome::Skipped(reason.into()),
            took: Duration::ZERO,
        });
    }

    /// Prints the table and, as the last line, the counts; the code is that of the whole run.
    pub(crate) fn finish(self) -> ExitCode {
        println!("\n=== summary");
        for step in &self.done {
            println!("{step}");
        }
        let passed = self
            .done
            .iter()
            .filter(|step| matches!(step.outcome, Outcome::Passed))
            .count();
        let failed = self
            .done
            .iter()
            .filter(|step| matches!(step.outcome, Outcome::Failed(_)))
            .count();
        let took: Duration = self.done.iter().map(|step| step.took).sum();
        println!("{:.1} minutes in all", took.as_secs_f64() / 60.0);
        println!("{passed} passed, {failed} failed");
        if failed == 0 {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        }
    }

    fn push(&mut self, step: Step) {
        println!("{step}");
        self.done.push(step);
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.took.as_secs_f64();
        match &self.outcome {
            Outcome::Passed => write!(f, "ok      {:<28} {seconds:>7.1} s", self.name),
            Outcome::Failed(why) => write!(f, "FAILED  {:<28} {seconds:>7.1} s  {why}", self.name),
            Outcome::Skipped(why) => write!(f, "skipped {:<28} {:>7}    {why}", self.name, "-"),
        }
    }
}

/// Runs a command with this terminal as its output.
pub(crate) fn execute(command: &mut Command) -> Result<()> {
    let line = line(command);
    println!("$ {line}");
    let status = command.status().with_context(|| format!("`{line}` could not be run"))?;
    if !status.success() {
        bail!("`{line}` ended with {status}");
    }
    Ok(())
}

/// The command as one would type it.
fn line(command: &Command) -> String {
    let program = command.get_program().to_string_lossy();
    let program = program.rsplit('/').next().unwrap_or_default().to_owned();
    let arguments = command
        .get_args()
        .map(|argument| argument.to_string_lossy().into_owned());
    std::iter::once(program).chain(arguments).collect::<Vec<_>>().join(" ")
}
