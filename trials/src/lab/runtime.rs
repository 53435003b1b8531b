//! The runtime that a command does its work on.

use anyhow::{Context as _, Result};
use tokio::runtime::Builder;

/// Runs a command on all cores.
pub(crate) fn run<T>(command: impl Future<Output = Result<T>>) -> Result<T> {
    run_on(Builder::new_multi_thread().enable_all(), command)
}

/// Runs one process of several, on two threads.
pub(crate) fn run_node<T>(node: impl Future<Output = Result<T>>) -> Result<T> {
    run_on(Builder::new_multi_thread().worker_threads(2).enable_all(), node)
}

fn run_on<T>(builder: &mut Builder, work: impl Future<Output = Result<T>>) -> Result<T> {
    builder.build().context("no runtime")?.block_on(work)
}
