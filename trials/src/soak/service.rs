use std::{process::Stdio, time::Duration};

use anyhow::{Context as _, Result, ensure};
use serde::de::DeserializeOwned;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
    time::timeout,
};

use super::orders::Order;
use crate::lab::{process, servers::Servers, strike};

/// How long an order may take, or the end.
const ANSWER: Duration = Duration::from_mins(3);

/// The process that is watched. Ends with this value.
pub(super) struct Service {
    process: Child,
    id: String,
    orders: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
}

impl Service {
    /// Starts it with a way to the server for each of its caches.
    pub(super) fn start(servers: &Servers, seed: u64) -> Result<Self> {
        let program = std::env::current_exe().context("this program does not know its own name")?;
        let mut command = Command::new(program);
        command.arg("soak-node").args(["--seed", &seed.to_string()]);
        for way in servers.ways() {
            command.args(["--redis", &strike::url(way.address())]);
        }
        let mut process = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("the service could not be started")?;
        let answers = process.stdout.take().context("a process has an output")?;
        Ok(Self {
            id: process.id().context("a process has an id")?.to_string(),
            orders: process.stdin.take().context("a process has an input")?,
            answers: BufReader::new(answers).lines(),
            process,
        })
    }

    pub(super) async fn ask<T: DeserializeOwned>(&mut self, order: Order) -> Result<T> {
        let mut line = serde_json::to_string(&order)?;
        line.push('\n');
        let answered = async {
            self.orders.write_all(line.as_bytes()).await?;
            self.answers.next_line().await?.context("the service has ended")
        };
        let answer = timeout(ANSWER, answered)
            .await
            .with_context(|| format!("{order:?} took longer than {ANSWER:?}"))??;
        Ok(serde_json::from_str(&answer)?)
    }

    /// Its memory, in KiB.
    pub(super) fn resident(&self) -> Result<u64> {
        process::resident(&self.id)
    }

    /// How many files it has open.
    pub(super) fn files(&self) -> Result<u64> {
        process::files(&self.id)
    }

    /// Lets it end by itself.
    pub(super) async fn end(self) -> Result<()> {
        let Self {
            mut process, orders, ..
        } = self;
        drop(orders);
        let status = timeout(ANSWER, process.wait())
            .await
            .with_context(|| format!("the service did not end within {ANSWER:?}"))??;
        ensure!(status.success(), "the service has failed: {status}");
        Ok(())
    }
}
