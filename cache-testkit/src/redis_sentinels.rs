//! A primary with replicas under sentinels, for a test.

use std::{
    thread,
    time::{Duration, Instant},
};

use redis::Value;

use crate::redis_server::{RedisServer, RedisServerBuilder, Role, StartError};

/// The name under which the sentinels know the primary.
const SERVICE: &str = "mymaster";

/// After so much silence, in milliseconds, a sentinel takes the primary for dead.
const DOWN_AFTER: &str = "1000";

/// Between two looks at servers that are getting to know each other.
const POLL: Duration = Duration::from_millis(10);

/// How long they may take to agree on something.
const AGREEMENT: Duration = Duration::from_secs(30);

/// A primary, two replicas and three sentinels, on free loopback ports. Dropping it ends all six.
///
/// The methods block: the start takes some seconds.
#[derive(Debug)]
pub struct RedisSentinels {
    servers: Vec<RedisServer>,
    sentinels: Vec<RedisServer>,
}

impl RedisSentinels {
    /// Starts the six servers, and returns once every sentinel knows all of them.
    ///
    /// # Errors
    ///
    /// As [`RedisServerBuilder::start`](crate::RedisServerBuilder::start); and if they do not know each other within 30 s.
    pub fn start() -> Result<Self, StartError> {
        Self::start_from(&RedisServer::builder(), &RedisServer::builder())
    }

    /// The same with three servers that have the settings of `server`, and three sentinels with those of `sentinel`.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start).
    pub fn start_from(server: &RedisServerBuilder, sentinel: &RedisServerBuilder) -> Result<Self, StartError> {
        let password = server.quoted_password();
        let server = || server.clone().config("repl-diskless-sync-delay", "0");
        let primary = server().start()?;
        let port = primary.port().unwrap_or_default();
        let replica = || server().config("replicaof", format!("127.0.0.1 {port}")).start();
        let servers = vec![primary, replica()?, replica()?];
        let sentinel = || {
            let sentinel = sentinel
                .clone()
                .role(Role::Sentinel)
                .config("sentinel", format!("monitor {SERVICE} 127.0.0.1 {port} 2"))
                .config("sentinel", format!("down-after-milliseconds {SERVICE} {DOWN_AFTER}"))
                .config("sentinel", format!("failover-timeout {SERVICE} 5000"));
            match &password {
                Some(password) => sentinel.config("sentinel", format!("auth-pass {SERVICE} {password}")),
                None => sentinel,
            }
            .start()
        };
        let sentinels = Self {
            servers,
            sentinels: vec![sentinel()?, sentinel()?, sentinel()?],
        };
        sentinels.wait_until_acquainted()?;
        Ok(sentinels)
    }

    /// The address, as `REDIS_URL` takes it, with all sentinels. A password that is in it is that of the servers.
    pub fn url(&self) -> String {
        let hosts = self.sentinels.iter().filter_map(RedisServer::port);
        let hosts: Vec<String> = hosts.map(|port| format!("127.0.0.1:{port}")).collect();
        let (scheme, credentials) = self.servers[0].scheme_and_credentials();
        format!("{scheme}-sentinel://{credentials}{}#{SERVICE}", hosts.join(","))
    }

    /// The servers with data; the first began as the primary.
    pub fn servers(&self) -> &[RedisServer] {
        &self.servers
    }

    /// The sentinels.
    pub fn sentinels(&self) -> &[RedisServer] {
        &self.sentinels
    }

    /// The server that this sentinel takes for the primary now.
    fn primary_according_to(&self, sentinel: &RedisServer) -> Option<&RedisServer> {
        let (_, port): (String, u16) = sentinel
            .command(["SENTINEL", "GET-MASTER-ADDR-BY-NAME", SERVICE])
            .ok()?;
        self.servers.iter().find(|server| server.port() == Some(port))
    }

    /// Returns once all sentinels agree on a primary other than `former`, which takes writes, and returns it.
    ///
    /// # Errors
    ///
    /// If that takes longer than 30 s.
    pub fn wait_until_replaced(&self, former: &RedisServer) -> Result<&RedisServer, StartError> {
        let deadline = Instant::now() + AGREEMENT;
        loop {
            let named = self.primary_according_to(&self.sentinels[0]);
            if let Some(primary) = named.filter(|primary| primary.port() != former.port())
                && self.sentinels.iter().all(|sentinel| {
                    self.primary_according_to(sentinel)
                        .is_some_and(|named| named.port() == primary.port())
                })
                && primary.command::<Value>(["UNLINK", "nothing"]).is_ok()
            {
                return Ok(primary);
            }
            if Instant::now() > deadline {
                return Err(self.sentinels[0].failed(format!("no failover within {AGREEMENT:?}")));
            }
            thread::sleep(POLL);
        }
    }

    fn wait_until_acquainted(&self) -> Result<(), StartError> {
        let deadline = Instant::now() + AGREEMENT;
        for sentinel in &self.sentinels {
            let knows_two = |what: &str| {
                let known = sentinel.command::<Vec<Value>>(["SENTINEL", what, SERVICE]);
                known.is_ok_and(|known| known.len() == 2)
            };
            while !(knows_two("SENTINELS") && knows_two("REPLICAS")) {
                if Instant::now() > deadline {
                    return Err(sentinel.failed(format!("the sentinels did not meet within {AGREEMENT:?}")));
                }
                thread::sleep(POLL);
            }
        }
        for replica in &self.servers[1..] {
            let in_step = || {
                let replication = replica.command::<String>(["INFO", "replication"]);
                replication.is_ok_and(|info| info.contains("master_link_status:up"))
            };
            while !in_step() {
                if Instant::now() > deadline {
                    return Err(replica.failed(format!("no replication within {AGREEMENT:?}")));
                }
                thread::sleep(POLL);
            }
        }
        Ok(())
    }
}
