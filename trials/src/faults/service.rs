//! One process of the invoicing example.

use std::{
    net::SocketAddr,
    path::Path,
    process::Stdio,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
    time::timeout,
};

use super::heard::{Heard, LEVELS};
use crate::lab::{process, strike};

/// How long a process may take until it listens, the first one's data included.
const STARTING: Duration = Duration::from_mins(2);
/// How long a request may take: longer than any that is answered.
const REQUEST: Duration = Duration::from_mins(1);

/// Little data, so that what a fault adds to a call is not lost in the call's own queries.
const DATA: [&str; 4] = ["--companies", "2", "--invoices", "2000"];

/// A running service. Ends with this value.
#[derive(Debug)]
pub(super) struct Service {
    process: Child,
    address: String,
    client: reqwest::Client,
    pub(super) heard: Heard,
}

/// An answer to a request that was made without an error.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) took: Duration,
    /// Whether it was answered from Redis. A value that was kept in the process does not show that Redis is used.
    pub(super) is_hit: bool,
    pub(super) body: Vec<u8>,
}

impl Answer {
    /// How many movements a treasury has: the version of it, as movements are only ever added.
    pub(super) fn movements(&self) -> Result<u64> {
        let treasury: Value = serde_json::from_slice(&self.body)?;
        treasury["movements"].as_u64().context("a treasury without movements")
    }
}

impl Service {
    /// Starts a service on this database; without an address of Redis, with its cache switched off.
    pub(super) async fn start(program: &Path, database: &Path, redis: Option<SocketAddr>, log: &str) -> Result<Self> {
        let url = redis.map(strike::url);
        let mut process = Command::new(program)
            .args(["serve", "--listen", "127.0.0.1:0"])
            .args(DATA)
            .arg("--database")
            .arg(database)
            .env_clear()
            .env("RUST_LOG", format!("{LEVELS}{log}"))
            .env("REDIS_ENABLED", if url.is_some() { "true" } else { "false" })
            .env("REDIS_URL", url.unwrap_or_default())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("{} could not be run", program.display()))?;
        let heard = Heard::listen(process.stderr.take().context("a process has a log")?);
        let output = process.stdout.take().context("a process has an output")?;
        let mut lines = BufReader::new(output).lines();
        let listening = async {
            while let Some(line) = lines.next_line().await? {
                let address = line
                    .strip_prefix("listening on ")
                    .and_then(|rest| rest.split(' ').next());
                if let Some(address) = address {
                    return anyhow::Ok(Some(address.to_owned()));
                }
            }
            Ok(None)
        };
        let address = timeout(STARTING, listening)
            .await
            .with_context(|| format!("the service did not listen within {STARTING:?}"))??;
        let address = address.context("the service ended before it listened")?;
        let client = reqwest::Client::builder().no_proxy().timeout(REQUEST).build()?;
        Ok(Self {
            process,
            address,
            client,
            heard,
        })
    }

    pub(super) async fn get(&self, path: &str) -> Result<Answer> {
        self.send(self.client.get(format!("{}{path}", self.address))).await
    }

    pub(super) async fn post(&self, path: &str, body: &Value) -> Result<Answer> {
        self.send(self.client.post(format!("{}{path}", self.address)).json(body))
            .await
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Result<Answer> {
        let began = Instant::now();
        let response = request.send().await?;
        let (status, is_hit) = (response.status(), response.headers().get("cache-status"));
        let is_hit = is_hit.and_then(|status| status.to_str().ok());
        let is_hit = is_hit.is_some_and(|status| status.contains("; hit") && !status.contains("detail="));
        let body = response.bytes().await?.to_vec();
        ensure!(status.is_success(), "{status}: {}", String::from_utf8_lossy(&body));
        Ok(Answer {
            took: began.elapsed(),
            is_hit,
            body,
        })
    }

    /// The most memory that the process has had at once, in bytes; `None` where the system does not tell.
    pub(super) fn peak_memory(&self) -> Option<u64> {
        let peak = process::peak(&self.process.id()?.to_string());
        peak.ok().map(|kib| kib * 1024)
    }
}
