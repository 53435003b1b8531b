//! `lint`: what the annotations say that cannot be meant.

use std::{fmt::Write as _, io, path::PathBuf, process::ExitCode};

use super::CommandError;
use crate::catalogue::{Allowed, Catalogue, Finding, Sources};

/// Look for what the annotations say that cannot be meant; the exit code is 1 if something is found.
///
/// Found are resources that are declared and never cached, cached and never invalidated, or invalidated and never cached; functions that
/// share a resource under keys of the same parts; cached functions that write. What is done by hand, at run time, is not known here: what is
/// found because of it is allowed with --allow.
#[derive(Debug, Clone, Default, PartialEq, Eq, clap::Args)]
#[non_exhaustive]
pub struct LintCommand {
    /// Print the findings as JSON.
    #[arg(long)]
    pub json: bool,
    /// Leave these out: `never-invalidated:exchange_rates`, `unseen-write:Importer::*`, or all of a kind: `shared-resource`.
    #[arg(long, value_name = "KIND[:NAME]")]
    pub allow: Vec<Allowed>,
    /// Look at the Rust sources in this folder, too: for functions that write to a table and have no `#[invalidates]`.
    #[arg(long, value_name = "DIR")]
    pub source: Vec<PathBuf>,
}

impl LintCommand {
    /// Looks at the catalogue, and writes what is found to `output`. The exit code is 1 if that is something.
    ///
    /// # Errors
    ///
    /// If sources cannot be read, or the output cannot be written.
    pub fn run(&self, catalogue: &Catalogue, output: &mut dyn io::Write) -> Result<ExitCode, CommandError> {
        let mut findings = catalogue.lint();
        if !self.source.is_empty() {
            let mut sources = Sources::default();
            for folder in &self.source {
                sources.add(folder)?;
            }
            findings.extend(catalogue.unseen_writes(&sources));
        }
        findings.retain(|finding| !self.allow.iter().any(|allowed| allowed.takes(finding)));
        let text = if self.json {
            // Texts and numbers can always be written.
            let json = serde_json::to_string_pretty(&findings).unwrap_or_default();
            format!("{json}\n")
        } else {
            printed(catalogue, &findings)
        };
        output.write_all(text.as_bytes()).map_err(CommandError::Output)?;
        Ok(if findings.is_empty() {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        })
    }
}

fn printed(catalogue: &Catalogue, findings: &[Finding]) -> String {
    let mut text = String::new();
    for finding in findings {
        // Nobody reads what has been written into a `String`: it cannot fail.
        let _ = write!(text, "{finding}\n\n");
    }
    let counts = [
        (catalogue.resources().len(), "resources"),
        (catalogue.functions().len(), "cached functions"),
        (catalogue.mutations().len(), "mutations"),
        (catalogue.tables().len(), "tables"),
    ];
    let looked_at: Vec<String> = counts.iter().map(|(count, what)| format!("{count} {what}")).collect();
    let found = match findings.len() {
        0 => "nothing found".to_owned(),
        1 => "1 finding".to_owned(),
        several => format!("{several} findings"),
    };
    let _ = writeln!(text, "{found} in {}", looked_at.join(", "));
    text
}
