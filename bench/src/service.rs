//! The example `invoicing` as a process, as its users see it: over HTTP.

use std::{
    env,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use anyhow::{Context as _, Result, ensure};
use reqwest::{Client, RequestBuilder};
use serde_json::Value;

/// Where a service keeps results.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Caching<'a> {
    /// In the Redis at this address.
    Redis(&'a str),
    /// In the process, which needs no Redis.
    Process,
    Off,
}

/// How much data there is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Books<'a> {
    /// The file; it is made by whoever uses it first.
    pub(crate) database: &'a Path,
    pub(crate) companies: u32,
    /// Of all companies together.
    pub(crate) invoices: u32,
}

/// A running example.
pub(crate) struct Service {
    process: Child,
    client: Requests,
}

/// Somebody who asks it.
#[derive(Clone)]
pub(crate) struct Requests {
    client: Client,
    address: String,
}

/// What came back.
pub(crate) struct Answer {
    /// Whether it came from the cache.
    pub(crate) hit: bool,
    body: Vec<u8>,
}

/// Builds the example, which belongs to the workspace of the product, and returns where it is.
pub(crate) fn build() -> Result<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    let status = Command::new("cargo")
        .args(["build", "--quiet", "--release", "--locked", "--package", "invoicing"])
        .arg("--target-dir")
        .arg(&target)
        .current_dir(&root)
        .status()?;
    ensure!(status.success(), "the example could not be built");
    Ok(target.join("release/invoicing"))
}

/// Makes the data, so that the file can be copied: nobody has it open afterwards.
pub(crate) fn prepare(program: &Path, books: Books<'_>) -> Result<()> {
    let status = command(program, "prepare", books).status()?;
    ensure!(status.success(), "the data of the example could not be made");
    Ok(())
}

fn command(program: &Path, what: &str, books: Books<'_>) -> Command {
    let mut command = Command::new(program);
    command
        .arg(what)
        .args(["--companies", &books.companies.to_string()])
        .args(["--invoices", &books.invoices.to_string()])
        .arg("--database")
        .arg(books.database)
        .env_clear();
    command
}

impl Service {
    pub(crate) fn start(program: &Path, books: Books<'_>, caching: Caching<'_>) -> Result<Self> {
        let (enabled, redis) = match caching {
            Caching::Redis(url) => ("true", url),
            Caching::Process => ("true", ""),
            Caching::Off => ("false", ""),
        };
        let mut process = command(program, "serve", books)
            .args(["--listen", "127.0.0.1:0"])
            .env("RUST_LOG", "error")
            .env("REDIS_ENABLED", enabled)
            .env("REDIS_URL", redis)
            .stdout(Stdio::piped())
            .spawn()?;
        let output = BufReader::new(process.stdout.take().context("the output of a process")?);
        let address = output.lines().find_map(|line| {
            let line = line.ok()?;
            Some(line.strip_prefix("listening on ")?.split(' ').next()?.to_owned())
        });
        Ok(Self {
            process,
            client: Requests {
                client: Client::builder().no_proxy().tcp_nodelay(true).build()?,
                address: address.context("the example ended before it listened")?,
            },
        })
    }

    pub(crate) fn requests(&self) -> Requests {
        self.client.clone()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // Nothing is lost with it; it may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Requests {
    pub(crate) async fn get(&self, path: &str) -> Result<Answer> {
        answer(self.client.get(self.url(path))).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Result<Answer> {
        answer(self.client.post(self.url(path)).body(body.to_string())).await
    }

    pub(crate) async fn put(&self, path: &str, body: &Value) -> Result<Answer> {
        answer(self.client.put(self.url(path)).body(body.to_string())).await
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.address)
    }
}

impl Answer {
    /// The number of what the request has made.
    pub(crate) fn id(&self) -> Result<i64> {
        let body: Value = serde_json::from_slice(&self.body)?;
        body["id"].as_i64().context("an answer without `id`")
    }
}

async fn answer(request: RequestBuilder) -> Result<Answer> {
    let response = request.send().await?;
    let status = response.status();
    let hit = response
        .headers()
        .get("cache-status")
        .and_then(|status| status.to_str().ok())
        .is_some_and(|status| status.contains("; hit") && !status.contains("stale_hit"));
    let body = response.bytes().await?.to_vec();
    ensure!(status.is_success(), "{status}: {}", String::from_utf8_lossy(&body));
    Ok(Answer { hit, body })
}
