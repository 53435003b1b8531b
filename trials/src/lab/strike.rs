//! The faults: how each is made, and how it ends.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context as _, Result};
use cache_testkit::{Direction, FaultProxy};
use fastrand::Rng;
use tokio::{
    io::AsyncWriteExt as _,
    net::TcpListener,
    time::{Instant, sleep, timeout},
};

use super::servers::Servers;

/// The user that services log in as, whose password and rights a fault may take.
const USER: &str = "service";
const PASSWORD: &str = "right";
/// The line of the server's configuration about that user.
pub(crate) const RIGHTS: (&str, &str) = ("user", "service on >right allkeys allchannels allcommands");

/// Between two blows of a fault that strikes again and again.
const AGAIN: Duration = Duration::from_millis(250);
const POLL: Duration = Duration::from_millis(10);
/// How long a server may take to do what it is told.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long each key takes a server that loads its file, in microseconds.
const LOADING_A_KEY: u64 = 200;
/// A server that is not there by then is given up: see `RedisServerBuilder::start_timeout`.
const LONGEST_LOADING: Duration = Duration::from_secs(6);

/// The URL under which a service finds the server at the end of this way.
pub(crate) fn url(way: SocketAddr) -> String {
    format!("redis://{USER}:{PASSWORD}@{way}")
}

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    Absent,
    Killed,
    Hung,
    BlackHole,
    /// By milliseconds.
    Slow(u64),
    Trickling,
    Refused,
    Reset,
    HalfClosed,
    OutOfMemory,
    EvictsAnything,
    ReadOnly,
    CannotSave,
    NoReplicas,
    Loading,
    Busy,
    FailedOver,
    OldSnapshot,
    WrongPassword,
    NoRight,
    NoRightToKeys,
    OneClient,
    Garbage,
    OldProtocol,
    WrongTypes,
    BrokenEntries,
}

impl Fault {
    /// What the server's configuration needs for this to be possible.
    pub(crate) fn config(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Loading => &[
                ("key-load-delay", "200"),
                ("loading-process-events-interval-bytes", "1024"),
            ],
            Self::Busy => &[("busy-reply-threshold", "100")],
            Self::OldProtocol => &[("rename-command", "HELLO \"\"")],
            _ => &[],
        }
    }

    pub(crate) fn needs_standby(self) -> bool {
        self == Self::FailedOver
    }

    /// Whether the server forgets writes that it has acknowledged: then each process stands for its own alone
    /// (docs/guarantees.md).
    pub(crate) fn loses_writes(self) -> bool {
        matches!(self, Self::Loading | Self::FailedOver | Self::OldSnapshot)
    }

    /// Whether mutations must reach every process while this lasts.
    pub(crate) fn takes_invalidations(self) -> bool {
        matches!(
            self,
            Self::Slow(20)
                | Self::OutOfMemory
                | Self::EvictsAnything
                | Self::OldProtocol
                | Self::WrongTypes
                | Self::BrokenEntries
        )
    }

    /// A word that the log must contain for the administrator to know what to mend.
    pub(crate) fn must_be_named(self) -> Option<&'static str> {
        match self {
            Self::WrongPassword => Some("password"),
            Self::NoRight => Some("mget"),
            Self::NoRightToKeys => Some("key"),
            _ => None,
        }
    }

    /// Makes the fault, lets it last, and ends it.
    pub(crate) async fn strike(self, servers: &mut Servers, lasting: Duration) -> Result<()> {
        match self {
            Self::Absent => {
                sleep(lasting).await;
                servers.restart().await
            }
            Self::Killed => {
                servers.kill().await?;
                sleep(lasting).await;
                servers.restart().await
            }
            Self::Hung => {
                servers.pause();
                sleep(lasting).await;
                servers.resume();
                Ok(())
            }
            Self::BlackHole => on_the_way(servers, lasting, |way| way.black_hole(Direction::Both)).await,
            Self::Slow(by) => {
                let by = Duration::from_millis(by);
                on_the_way(servers, lasting, |way| way.delay(Direction::ToClient, by)).await
            }
            Self::Trickling => {
                let between = Duration::from_millis(1);
                on_the_way(servers, lasting, |way| way.trickle(Direction::ToClient, between)).await
            }
            Self::Refused => on_the_way(servers, lasting, FaultProxy::refuse).await,
            Self::Reset => again_and_again(servers, lasting, FaultProxy::reset).await,
            Self::HalfClosed => again_and_again(servers, lasting, |way| way.half_close(Direction::ToClient)).await,
            Self::OutOfMemory => {
                let full = ["CONFIG", "SET", "maxmemory-policy", "noeviction", "maxmemory", "1"];
                commanded(servers, lasting, &full, &["CONFIG", "SET", "maxmemory", "0"]).await
            }
            Self::EvictsAnything => evict(servers, lasting).await,
            Self::ReadOnly => {
                // Nobody listens there, so it keeps what it has and never gets further.
                let demote = ["REPLICAOF", "127.0.0.1", "1"];
                commanded(servers, lasting, &demote, &["REPLICAOF", "NO", "ONE"]).await
            }
            Self::CannotSave => fail_to_save(servers, lasting).await,
            Self::NoReplicas => {
                let (wants, wants_not) = (
                    ["CONFIG", "SET", "min-replicas-to-write", "1"],
                    ["CONFIG", "SET", "min-replicas-to-write", "0"],
                );
                commanded(servers, lasting, &wants, &wants_not).await
            }
            Self::Loading => load(servers, lasting).await,
            Self::Busy => busy(servers, lasting).await,
            Self::FailedOver => {
                servers.cut_off_standby();
                sleep(lasting).await;
                servers.fail_over().await
            }
            Self::OldSnapshot => {
                servers.save().await?;
                sleep(lasting).await;
                servers.kill().await?;
                servers.restart().await
            }
            Self::WrongPassword => {
                servers
                    .command(&["ACL", "SETUSER", USER, "resetpass", ">another"])
                    .await?;
                servers.command(&["CLIENT", "KILL", "USER", USER]).await?;
                sleep(lasting).await;
                servers.command(&["ACL", "SETUSER", USER, "resetpass", ">right"]).await
            }
            Self::NoRight => {
                let (take, give) = (["ACL", "SETUSER", USER, "-mget"], ["ACL", "SETUSER", USER, "+mget"]);
                commanded(servers, lasting, &take, &give).await
            }
            Self::NoRightToKeys => {
                let take = ["ACL", "SETUSER", USER, "resetkeys", "~another:*"];
                commanded(
                    servers,
                    lasting,
                    &take,
                    &["ACL", "SETUSER", USER, "resetkeys", "allkeys"],
                )
                .await
            }
            Self::OneClient => one_client(servers, lasting).await,
            Self::Garbage => garbage(servers, lasting).await,
            Self::OldProtocol => {
                sleep(lasting).await;
                Ok(())
            }
            Self::WrongTypes => deface(servers, lasting, Deface::WrongType).await,
            Self::BrokenEntries => deface(servers, lasting, Deface::Broken).await,
        }
    }
}

async fn on_the_way(servers: &Servers, lasting: Duration, harm: impl Fn(&FaultProxy)) -> Result<()> {
    servers.ways().iter().for_each(|way| harm(way));
    sleep(lasting).await;
    servers.ways().iter().for_each(|way| way.heal());
    Ok(())
}

async fn again_and_again(servers: &Servers, lasting: Duration, harm: impl Fn(&FaultProxy)) -> Result<()> {
    let ends = Instant::now() + lasting;
    while Instant::now() < ends {
        servers.ways().iter().for_each(|way| harm(way));
        sleep(AGAIN).await;
    }
    Ok(())
}

async fn commanded(servers: &Servers, lasting: Duration, begin: &[&str], end: &[&str]) -> Result<()> {
    servers.command(begin).await?;
    sleep(lasting).await;
    servers.command(end).await
}

/// Leaves so little memory that each entry drives out others, or stamps.
async fn evict(servers: &Servers, lasting: Duration) -> Result<()> {
    let info: String = servers.ask(&["INFO", "memory"]).await?;
    let used: u64 = info
        .lines()
        .find_map(|line| line.strip_prefix("used_memory:"))
        .and_then(|used| used.trim().parse().ok())
        .context("a server tells how much memory it uses")?;
    let limit = used.to_string();
    let full = [
        "CONFIG",
        "SET",
        "maxmemory-policy",
        "allkeys-random",
        "maxmemory",
        &limit,
    ];
    commanded(servers, lasting, &full, &["CONFIG", "SET", "maxmemory", "0"]).await
}

/// A folder stands where the file is to be.
async fn fail_to_save(servers: &Servers, lasting: Duration) -> Result<()> {
    let in_the_way = servers.primary().folder().join("dump.rdb");
    fs::create_dir(&in_the_way).context("a folder in the way of the file")?;
    servers.command(&["CONFIG", "SET", "save", "3600 1"]).await?;
    servers.command(&["BGSAVE"]).await?;
    let failed = async {
        loop {
            let info: String = servers.ask(&["INFO", "persistence"]).await?;
            if info.contains("rdb_last_bgsave_status:err") {
                return anyhow::Ok(());
            }
            sleep(POLL).await;
        }
    };
    timeout(PATIENCE, failed)
        .await
        .context("the server has saved all the same")??;
    sleep(lasting).await;
    servers.command(&["CONFIG", "SET", "save", ""]).await?;
    // A server that is started anew would want to read it.
    fs::remove_dir(in_the_way).context("the folder is in the way still")
}

async fn load(servers: &Servers, lasting: Duration) -> Result<()> {
    let keys = lasting.min(LONGEST_LOADING).as_micros() / u128::from(LOADING_A_KEY);
    let fill = "for key = 1, ARGV[1] do redis.call('SET', 'filler:' .. key, 'filler') end";
    servers.command(&["EVAL", fill, "0", &keys.to_string()]).await?;
    servers.save().await?;
    servers.kill().await?;
    servers.restart().await
}

async fn busy(servers: &Servers, lasting: Duration) -> Result<()> {
    let primary = Arc::clone(servers.primary());
    let script = tokio::task::spawn_blocking(move || {
        // It ends by SCRIPT KILL, so its answer is an error.
        let _ = primary.command::<()>(["EVAL", "while true do end", "0"]);
    });
    sleep(lasting).await;
    servers.command(&["SCRIPT", "KILL"]).await?;
    Ok(script.await?)
}

async fn one_client(servers: &Servers, lasting: Duration) -> Result<()> {
    servers.command(&["CONFIG", "SET", "maxclients", "1"]).await?;
    servers.ways().iter().for_each(|way| way.reset());
    sleep(lasting).await;
    // The place has to be free for whoever gives out more of them.
    servers.ways().iter().for_each(|way| way.refuse());
    let mended = async {
        while servers.command(&["CONFIG", "SET", "maxclients", "1000"]).await.is_err() {
            sleep(POLL).await;
        }
    };
    timeout(PATIENCE, mended).await.context("the server takes no client")?;
    servers.ways().iter().for_each(|way| way.heal());
    Ok(())
}

/// Something listens there that is no Redis.
async fn garbage(servers: &Servers, lasting: Duration) -> Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?;
    let answering = tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            // Who has hung up misses nothing.
            let _ = client.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        }
    });
    servers.redirect(Some(address))?;
    sleep(lasting).await;
    answering.abort();
    servers.redirect(None)
}

/// What becomes of keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Deface {
    WrongType,
    Broken,
}

/// Goes through the service's keys at random.
async fn deface(servers: &Servers, lasting: Duration, how: Deface) -> Result<()> {
    let ends = Instant::now() + lasting;
    let mut random = Rng::new();
    while Instant::now() < ends {
        if let Some(key) = servers.random_key().await?.filter(|key| key.starts_with("cache")) {
            let primary = Arc::clone(servers.primary());
            let mut random = random.fork();
            tokio::task::spawn_blocking(move || -> Result<()> {
                // The service writes the same keys meanwhile, of which some are no texts: what is refused then is tried again.
                if how == Deface::WrongType {
                    primary.command::<()>(["DEL", &key])?;
                    let _ = primary.command::<()>(["LPUSH", &key, "1"]);
                } else if let Ok(was) = primary.command::<Vec<u8>>(["GETRANGE", &key, "0", "-1"]) {
                    let broken = broken(was, &mut random);
                    primary.command::<()>([b"SET", key.as_bytes(), &broken, b"PX", b"60000"])?;
                }
                Ok(())
            })
            .await??;
        }
        sleep(POLL).await;
    }
    Ok(())
}

/// Bytes that are no longer what they were: cut off, changed, or something else altogether.
fn broken(mut bytes: Vec<u8>, random: &mut Rng) -> Vec<u8> {
    match random.u8(0..4) {
        // Never whole: that would bring back what was removed meanwhile.
        0 => bytes.truncate(random.usize(0..bytes.len().max(1))),
        1 if !bytes.is_empty() => {
            let at = random.usize(0..bytes.len());
            bytes[at] ^= random.u8(1..);
        }
        2 => bytes = b"{\"written by\": \"somebody else\"}".to_vec(),
        _ => bytes = std::iter::repeat_with(|| random.u8(..)).take(200).collect(),
    }
    bytes
}
