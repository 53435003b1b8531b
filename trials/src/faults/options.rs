use std::{path::PathBuf, time::Duration};

use clap::Args;

/// `cargo xtask faults`.
#[derive(Debug, Clone, Args)]
pub(crate) struct Options {
    /// Only the faults with these numbers, such as `2,7`. Without it, all of them.
    #[arg(long, value_delimiter = ',', value_name = "NUMBER")]
    pub(super) row: Vec<u8>,

    /// How long each fault lasts, in seconds.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..))]
    pub(super) seconds: u64,

    /// How many callers there are. Each asks for one page after the other, with a short pause in between.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..))]
    pub(super) callers: u16,

    /// Write the table into this file, too.
    #[arg(long, value_name = "FILE")]
    pub(super) markdown: Option<PathBuf>,

    /// The program of the invoicing example to run. Without it, it is built, with optimisations.
    #[arg(long, value_name = "FILE")]
    pub(super) program: Option<PathBuf>,
}

impl Options {
    pub(super) fn lasting(&self) -> Duration {
        Duration::from_secs(self.seconds)
    }
}
