//! `triggers`: what has to be in a database.

use std::{io, process::ExitCode};

use super::CommandError;
use crate::changes::Triggers;

/// Print, install, check or remove the triggers that write the changes of a database down, for the tables that `resources!` declares.
///
/// Without an option the statements are printed, to be put into a migration. They may be run again and again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::Args)]
#[non_exhaustive]
pub struct TriggersCommand {
    /// Run the statements, in one transaction.
    #[arg(long, group = "what")]
    pub install: bool,
    /// Compare what is installed with what is declared; the exit code is 1 if they differ.
    #[arg(long, group = "what")]
    pub check: bool,
    /// Remove all of it, and with it the changes that were not relayed yet.
    #[arg(long, group = "what")]
    pub drop: bool,
}

impl TriggersCommand {
    /// Does it, and writes what there is to say to `output`. The exit code is 1 if a check has found differences.
    ///
    /// # Errors
    ///
    /// If the database cannot be reached, refuses something, or has not what is declared.
    pub async fn run(
        &self,
        triggers: &dyn Triggers,
        output: &mut (dyn io::Write + Send),
    ) -> Result<ExitCode, CommandError> {
        let mut code = ExitCode::SUCCESS;
        let text = if self.install {
            triggers.install().await?;
            "The triggers are installed.\n".to_owned()
        } else if self.check {
            let differences = triggers.check().await?;
            if differences.is_empty() {
                "The triggers are as declared.\n".to_owned()
            } else {
                code = ExitCode::FAILURE;
                let lines = differences.iter().map(|difference| format!("- {difference}\n"));
                lines
                    .chain(["Run it with --install to bring it up to date.\n".to_owned()])
                    .collect()
            }
        } else if self.drop {
            triggers.remove().await?;
            "The triggers are removed.\n".to_owned()
        } else {
            triggers.sql().await?
        };
        output.write_all(text.as_bytes())?;
        Ok(code)
    }
}
