//! `graph`: what invalidates what.

use std::io;

use super::CommandError;
use crate::catalogue::{Catalogue, GraphFormat};

/// Print what invalidates what, and which functions are answered from it, as a graph.
///
/// Mutations and tables stand on the left, the groups, patterns and tags that they name beside them, then resources, then functions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::Args)]
#[non_exhaustive]
pub struct GraphCommand {
    /// What it is written in: mermaid or dot.
    #[arg(long, default_value_t, value_name = "FORMAT")]
    pub format: GraphFormat,
}

impl GraphCommand {
    /// Writes the graph to `output`.
    ///
    /// # Errors
    ///
    /// If the output cannot be written.
    pub fn run(&self, catalogue: &Catalogue, output: &mut dyn io::Write) -> Result<(), CommandError> {
        let graph = catalogue.graph(self.format);
        output.write_all(graph.as_bytes()).map_err(CommandError::Output)
    }
}
