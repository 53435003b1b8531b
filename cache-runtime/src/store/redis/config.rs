//! Where the server is and how to connect to it.

use std::{fmt, time::Duration};

use deadpool_redis::{Manager, Pool, Runtime};
use redis::{
    AsyncConnectionConfig, Client, ConnectionInfo, IntoConnectionInfo, ProtocolVersion, RedisResult,
    io::tcp::{TcpSettings, socket2::TcpKeepalive},
};

/// Requests that may wait in a connection's queue before senders are held back.
const PIPELINE_BUFFER: usize = 1024;

/// Where the Redis server is and how to connect to it.
#[derive(Clone)]
pub struct RedisConfig {
    info: ConnectionInfo,
    connections: usize,
    connect_timeout: Duration,
    keepalive: Option<Duration>,
    wait_replicas: u32,
    near_heartbeat: Duration,
}

/// Shows no password.
impl fmt::Debug for RedisConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisConfig")
            .field("address", &format_args!("{}", self.info.addr()))
            .field("database", &self.info.redis_settings().db())
            .field("connections", &self.connections)
            .field("connect_timeout", &self.connect_timeout)
            .field("keepalive", &self.keepalive)
            .field("wait_replicas", &self.wait_replicas)
            .field("near_heartbeat", &self.near_heartbeat)
            .finish()
    }
}

impl RedisConfig {
    /// The server that `url` names: `redis://[user[:password]@]host[:port][/database]` or `redis+unix:///path/to/socket`.
    /// Four connections, 5 s to connect, keepalive after 60 s.
    ///
    /// # Errors
    ///
    /// What is wrong with the URL. The message does not repeat it, because it may hold a password.
    pub fn new(url: &str) -> Result<Self, String> {
        if has_unescaped_password(url) {
            return Err(
                "a `/`, `?` or `#` stands before the `@`, which in a password is written %2F, %3F or %23".to_owned(),
            );
        }
        let info = url.into_connection_info().map_err(|error| match error.detail() {
            Some(detail) if !url.contains('@') => format!("{}: {detail}", error.category()),
            _ => error.category().to_owned(),
        })?;
        Ok(Self {
            info,
            connections: 4,
            connect_timeout: Duration::from_secs(5),
            keepalive: Some(Duration::from_mins(1)),
            wait_replicas: 0,
            near_heartbeat: Duration::from_millis(250),
        })
    }

    /// The password, whatever the URL says.
    #[must_use]
    pub fn password(mut self, password: &str) -> Self {
        let settings = self.info.redis_settings().clone().set_password(password);
        self.info = self.info.set_redis_settings(settings);
        self
    }

    /// The number of connections, at least 1. Half of them carry reads.
    #[must_use]
    pub fn max_connections(mut self, connections: usize) -> Self {
        self.connections = connections.max(1);
        self
    }

    /// How long one attempt to connect may take. Never on a caller's path.
    #[must_use]
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// After how much silence TCP asks whether the server is still there; `None` for never.
    #[must_use]
    pub fn keepalive(mut self, idle: Option<Duration>) -> Self {
        self.keepalive = idle;
        self
    }

    /// How many replicas must have an invalidation before it counts as acknowledged, by `WAIT`; as long as fewer answer
    /// within 100 ms, it is sent again. Takes one connection more than [`max_connections`](Self::max_connections), so that
    /// nothing but invalidations waits for replicas. Default: 0, none.
    #[must_use]
    pub fn wait_replicas(mut self, replicas: u32) -> Self {
        self.wait_replicas = replicas;
        self
    }

    /// How often the server is asked whether it has reported all changes of stamps, for functions with `near = "tracked"`.
    /// Without an answer within four times as long the connection is replaced. At least 1 ms; a quarter of
    /// [`Builder::near_lease`](crate::Builder::near_lease) fits. Default: 250 ms.
    #[must_use]
    pub fn near_heartbeat(mut self, interval: Duration) -> Self {
        self.near_heartbeat = interval.max(Duration::from_millis(1));
        self
    }

    pub(super) fn replicas_to_wait_for(&self) -> u32 {
        self.wait_replicas
    }

    pub(super) fn heartbeat(&self) -> Duration {
        self.near_heartbeat
    }

    pub(super) fn connections(&self) -> usize {
        self.connections
    }

    pub(super) fn connect_deadline(&self) -> Duration {
        self.connect_timeout
    }

    /// A client for one connection beside the pool, which speaks RESP3.
    pub(super) fn resp3_client(&self) -> RedisResult<Client> {
        let settings = self.info.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
        Client::open(self.connection_info().set_redis_settings(settings))
    }

    fn connection_info(&self) -> ConnectionInfo {
        let mut tcp = TcpSettings::default().set_nodelay(true);
        if let Some(idle) = self.keepalive {
            tcp = tcp.set_keepalive(TcpKeepalive::new().with_time(idle));
        }
        self.info.clone().set_tcp_settings(tcp)
    }

    pub(super) fn pool(&self) -> Pool {
        let connection = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.connect_timeout))
            // Each operation has a deadline of its own.
            .set_response_timeout(None)
            .set_pipeline_buffer_size(PIPELINE_BUFFER);
        let manager =
            Manager::new_with_config(self.connection_info(), connection).expect("a ConnectionInfo is always accepted");
        Pool::builder(manager)
            .max_size(self.connections + usize::from(self.wait_replicas > 0))
            .runtime(Runtime::Tokio1)
            .create_timeout(Some(self.connect_timeout))
            .build()
            .expect("a runtime is given for the timeout")
    }
}

/// Whether what ends the place of a password in a URL stands in the password itself. The rest of it would be taken for an
/// address, and shown as one.
fn has_unescaped_password(url: &str) -> bool {
    match url.split_once("://") {
        Some((scheme, rest)) if !scheme.contains("unix") => {
            rest.find(['/', '?', '#']).is_some_and(|end| rest[end..].contains('@'))
        }
        _ => false,
    }
}
