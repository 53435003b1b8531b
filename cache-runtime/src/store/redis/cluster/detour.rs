//! The second way of commands that a server has sent elsewhere.

use std::sync::Arc;

use redis::{Cmd, Pipeline, pipe};

use super::super::primary::Node;

/// Commands that are sent again, to one server.
pub(super) struct Detour<'a> {
    pub(super) node: &'a Arc<Node>,
    pub(super) pipeline: Pipeline,
    /// Of each command its place among all, and in the pipeline.
    pub(super) places: Vec<(usize, usize)>,
}

impl<'a> Detour<'a> {
    pub(super) fn to(node: &'a Arc<Node>) -> Self {
        Self {
            node,
            pipeline: pipe(),
            places: Vec::new(),
        }
    }

    /// `asking` is said right before a command about a key that is on its way to the server.
    pub(super) fn add(&mut self, place: usize, command: Cmd, asking: bool) {
        if asking {
            self.pipeline.cmd("ASKING");
        }
        self.places.push((place, self.pipeline.len()));
        self.pipeline.add_command(command);
    }
}
