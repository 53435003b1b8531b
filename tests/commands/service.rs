//! A service that has cached something, and the program that looks at it.

use std::process::{Command, Output, Stdio};

use cache_runtime::{Cache, cached, with_cache, with_tenant};
use cache_testkit::{RedisServer, patient, reaching};
use serde_json::Value;

#[cached(resource = "invoices", scope(company))]
pub(crate) async fn invoices(company: i64, text: &str) -> String {
    text.to_owned()
}

#[cached(resource = "reports")]
pub(crate) async fn report(number: u32) -> u32 {
    number
}

#[cached(resource = "quotes", stale_while_revalidate)]
pub(crate) async fn quote(number: u32) -> u32 {
    number
}

#[cached(resource = "rates")]
pub(crate) async fn rate() -> f64 {
    1.07
}

#[cached(resource = "articles", tags(author = result.1))]
pub(crate) async fn article(number: u32, author: u64) -> (u32, u64) {
    (number, author)
}

/// A server on which a service has cached something for two tenants.
pub(crate) struct Service {
    pub(crate) server: RedisServer,
    pub(crate) cache: Cache,
}

impl Service {
    pub(crate) async fn start() -> Self {
        let server = RedisServer::start().expect("a server");
        let cache = reaching(&server, patient().sweep(false)).await;
        let service = Self { server, cache };
        service.load().await;
        service
    }

    /// Six entries of `acme`, six of `default`, one that they share.
    pub(crate) async fn load(&self) {
        for tenant in ["acme", "default"] {
            let calls = with_tenant(tenant, async {
                for company in 1..=2 {
                    invoices(company, "a").await;
                    invoices(company, &"long ".repeat(300)).await;
                }
                report(1).await;
                quote(1).await;
            });
            with_cache(self.cache.clone(), calls).await;
        }
        with_cache(self.cache.clone(), rate()).await;
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = cachectl(arguments);
        command.env("REDIS_URL", self.server.url());
        command
    }

    /// What the program prints and its exit code.
    pub(crate) fn run(&self, arguments: &[&str]) -> (String, i32) {
        outcome(&output(&mut self.command(arguments)))
    }

    /// The JSON that the program prints, if all is well.
    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        let (printed, code) = self.run(&[arguments, &["--json"]].concat());
        assert_eq!(code, 0, "{printed}");
        serde_json::from_str(&printed).unwrap_or_else(|error| panic!("{error}: {printed}"))
    }
}

/// The program, in an environment that says nothing.
pub(crate) fn cachectl(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cachectl-under-test"));
    command
        .args(arguments)
        .env_remove("REDIS_URL")
        .env_remove("REDIS_PASSWORD")
        .env_remove("CACHE_NAMESPACE")
        .stdin(Stdio::null());
    command
}

pub(crate) fn output(command: &mut Command) -> Output {
    command.output().expect("the program runs")
}

/// What was printed, and on standard error if that is what there is; and the exit code.
pub(crate) fn outcome(output: &Output) -> (String, i32) {
    let text = if output.stdout.is_empty() {
        &output.stderr
    } else {
        &output.stdout
    };
    let code = output.status.code().expect("it was not killed");
    (String::from_utf8_lossy(text).into_owned(), code)
}
