use std::{
    net::SocketAddr,
    sync::{Mutex, PoisonError},
};

use anyhow::{Context as _, Result};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpStream,
};

use super::Committed;

/// A node's connections to the database.
#[derive(Debug)]
pub(crate) struct Database {
    address: SocketAddr,
    idle: Mutex<Vec<BufReader<TcpStream>>>,
}

impl Database {
    pub(crate) fn at(address: SocketAddr) -> Self {
        Self {
            address,
            idle: Mutex::default(),
        }
    }

    pub(crate) async fn read(&self, item: u32) -> Result<u64> {
        self.ask(&format!("read {item}\n")).await?.parse().context("a version")
    }

    pub(crate) async fn total(&self) -> Result<u64> {
        self.ask("total\n").await?.parse().context("a version")
    }

    /// Commits before it returns. Dropped before that, it may or may not have. `held` is remembered with the commit.
    pub(crate) async fn write(&self, item: u32, held: bool) -> Result<Committed> {
        let verb = if held { "write-held" } else { "write" };
        let answer = self.ask(&format!("{verb} {item}\n")).await?;
        let (version, total) = answer.split_once(' ').context("two versions")?;
        Ok(Committed {
            version: version.parse()?,
            total: total.parse()?,
        })
    }

    async fn ask(&self, request: &str) -> Result<String> {
        let idle = self.idle().pop();
        let mut connection = if let Some(idle) = idle {
            idle
        } else {
            let stream = TcpStream::connect(self.address).await.context("no database")?;
            stream.set_nodelay(true)?;
            BufReader::new(stream)
        };
        connection.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        connection.read_line(&mut answer).await?;
        // Only a connection whose answer has come is used again: a request that is dropped half-way takes its own along.
        self.idle().push(connection);
        Ok(answer.trim_end().to_owned())
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<BufReader<TcpStream>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
