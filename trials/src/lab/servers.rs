//! The Redis servers of a run: one that all processes use, and for failovers a replica of it.

use std::{fs, net::SocketAddr, sync::Arc, time::Duration};

use anyhow::{Context as _, Result};
use cache_testkit::{
    Direction, FaultProxy, RedisServer,
    redis::{FromRedisValue, Value},
};
use tokio::time::{sleep, timeout};

/// How long a replica may take to be one.
const REPLICATING: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(10);

/// The servers, and the processes' ways to them.
pub(crate) struct Servers {
    primary: Arc<RedisServer>,
    standby: Option<Standby>,
    ways: Vec<Arc<FaultProxy>>,
    /// How often the database was swapped.
    swaps: u32,
}

/// A replica that can be cut off.
struct Standby {
    server: Arc<RedisServer>,
    /// Its way to the primary.
    way: FaultProxy,
}

impl Servers {
    /// Starts a server with these lines in its configuration, `ways` to it, and if asked a replica.
    pub(crate) async fn start(config: &[(&str, &str)], ways: u64, with_standby: bool) -> Result<Self> {
        let primary = server(config)?;
        let standby = if with_standby {
            let standby = Standby {
                server: server(config)?,
                way: FaultProxy::start(address(&primary)?)?,
            };
            standby.follow().await?;
            timeout(REPLICATING, standby.until_in_step())
                .await
                .context("the replica did not follow")??;
            Some(standby)
        } else {
            None
        };
        let address = address(&primary)?;
        let ways = (0..ways).map(|_| FaultProxy::start(address).map(Arc::new));
        Ok(Self {
            ways: ways.collect::<Result<_, _>>()?,
            primary,
            standby,
            swaps: 0,
        })
    }

    pub(crate) fn ways(&self) -> &[Arc<FaultProxy>] {
        &self.ways
    }

    pub(crate) async fn kill(&self) -> Result<()> {
        blocking(&self.primary, |server| {
            server.kill();
            Ok(())
        })
        .await
    }

    pub(crate) async fn restart(&self) -> Result<()> {
        blocking(&self.primary, |server| Ok(server.restart()?)).await
    }

    pub(crate) fn pause(&self) {
        self.primary.pause();
    }

    pub(crate) fn resume(&self) {
        self.primary.resume();
    }

    /// Sends one command to the server that the processes use. Its answer does not matter.
    pub(crate) async fn command(&self, words: &[&str]) -> Result<()> {
        self.ask::<Value>(words).await.map(|_| ())
    }

    /// Sends one command to the server that the processes use.
    pub(crate) async fn ask<T: FromRedisValue + Send + 'static>(&self, words: &[&str]) -> Result<T> {
        let words: Vec<_> = words.iter().map(|&word| word.to_owned()).collect();
        blocking(&self.primary, move |server| Ok(server.command(words)?)).await
    }

    /// The server that the processes use.
    pub(crate) fn primary(&self) -> &Arc<RedisServer> {
        &self.primary
    }

    /// Leads every way to another address, or with `None` back to the server, and resets what is open.
    pub(crate) fn redirect(&self, upstream: Option<SocketAddr>) -> Result<()> {
        let upstream = upstream.map_or_else(|| address(&self.primary), Ok)?;
        for way in &self.ways {
            way.redirect(upstream);
            way.reset();
        }
        Ok(())
    }

    /// A key at random; `None` if there is none.
    pub(crate) async fn random_key(&self) -> Result<Option<String>> {
        blocking(&self.primary, |server| Ok(server.command(["RANDOMKEY"])?)).await
    }

    /// Closes the connections that have changes of keys reported to them. Returns how many there were.
    pub(crate) async fn close_tracking(&self) -> Result<usize> {
        let clients: String = blocking(&self.primary, |server| Ok(server.command(["CLIENT", "LIST"])?)).await?;
        let tracking: Vec<_> = clients.lines().filter_map(id_if_tracking).collect();
        for id in &tracking {
            self.command(&["CLIENT", "KILL", "ID", id]).await?;
        }
        Ok(tracking.len())
    }

    /// Swaps the database for one that was never used. What was in it never comes back.
    pub(crate) async fn swap_database(&mut self) -> Result<()> {
        self.swaps += 1;
        self.command(&["SWAPDB", "0", &self.swaps.to_string()]).await
    }

    /// Saves what there is, to be found by the next restart.
    pub(crate) async fn save(&self) -> Result<()> {
        self.command(&["SAVE"]).await
    }

    /// Forgets what was saved.
    pub(crate) fn forget_saved(&self) -> Result<()> {
        let saved = self.primary.folder().join("dump.rdb");
        fs::remove_file(&saved).with_context(|| format!("{} is not there", saved.display()))
    }

    /// From here on the replica misses what is written.
    pub(crate) fn cut_off_standby(&self) {
        if let Some(standby) = &self.standby {
            standby.way.black_hole(Direction::Both);
        }
    }

    /// The primary is gone and the replica takes its place; the old primary comes back as a replica.
    pub(crate) async fn fail_over(&mut self) -> Result<()> {
        self.kill().await?;
        let standby = self.standby.as_mut().context("there is no replica to promote")?;
        // What is still held in the black hole is lost for good, as it was never sent.
        standby.way.reset();
        standby.command(["REPLICAOF", "NO", "ONE"]).await?;
        std::mem::swap(&mut self.primary, &mut standby.server);
        self.redirect(None)?;
        let standby = self.standby.as_ref().context("there is no replica to promote")?;
        standby.way.redirect(address(&self.primary)?);
        standby.way.heal();
        blocking(&standby.server, |server| Ok(server.restart()?)).await?;
        standby.follow().await
    }
}

impl Standby {
    async fn follow(&self) -> Result<()> {
        let address = self.way.address();
        self.command([
            "REPLICAOF".to_owned(),
            address.ip().to_string(),
            address.port().to_string(),
        ])
        .await
    }

    async fn until_in_step(&self) -> Result<()> {
        loop {
            let info = blocking(&self.server, |server| {
                Ok(server.command::<String>(["INFO", "replication"])?)
            });
            if info.await?.contains("master_link_status:up") {
                return Ok(());
            }
            sleep(POLL).await;
        }
    }

    async fn command<const N: usize>(&self, words: [impl Into<String>; N]) -> Result<()> {
        let words = words.map(Into::into);
        blocking(&self.server, move |server| Ok(server.command(words)?)).await
    }
}

/// The id in a line of `CLIENT LIST`, if the client has the flag of those that track keys.
fn id_if_tracking(client: &str) -> Option<&str> {
    let field = |name| client.split(' ').find_map(move |field| field.strip_prefix(name));
    field("flags=")?.contains('t').then(|| field("id="))?
}

fn server(config: &[(&str, &str)]) -> Result<Arc<RedisServer>> {
    // A replica is to have what its primary had a moment ago, not five seconds ago.
    let plain = RedisServer::builder().config("repl-diskless-sync-delay", "0");
    let server = config
        .iter()
        .fold(plain, |server, (name, value)| server.config(*name, *value));
    Ok(Arc::new(server.start()?))
}

fn address(server: &RedisServer) -> Result<SocketAddr> {
    let port = server.port().context("the server listens on a port")?;
    Ok(SocketAddr::from(([127, 0, 0, 1], port)))
}

/// The methods of a server block.
async fn blocking<T: Send + 'static>(
    server: &Arc<RedisServer>,
    call: impl FnOnce(&RedisServer) -> Result<T> + Send + 'static,
) -> Result<T> {
    let server = Arc::clone(server);
    tokio::task::spawn_blocking(move || call(&server)).await?
}
