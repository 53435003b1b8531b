//! Where the server is and how to connect to it.

use std::{fmt, time::Duration};

use deadpool_redis::{Manager, Pool, Runtime};
use redis::{
    AsyncConnectionConfig, ConnectionInfo, IntoConnectionInfo,
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
        let info = url.into_connection_info().map_err(|error| match error.detail() {
            Some(detail) if !url.contains('@') => format!("{}: {detail}", error.category()),
            _ => error.category().to_owned(),
        })?;
        Ok(Self {
            info,
            connections: 4,
            connect_timeout: Duration::from_secs(5),
            keepalive: Some(Duration::from_mins(1)),
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

    pub(super) fn connections(&self) -> usize {
        self.connections
    }

    pub(super) fn connect_deadline(&self) -> Duration {
        self.connect_timeout
    }

    pub(super) fn pool(&self) -> Pool {
        let mut tcp = TcpSettings::default().set_nodelay(true);
        if let Some(idle) = self.keepalive {
            tcp = tcp.set_keepalive(TcpKeepalive::new().with_time(idle));
        }
        let connection = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.connect_timeout))
            // Each operation has a deadline of its own.
            .set_response_timeout(None)
            .set_pipeline_buffer_size(PIPELINE_BUFFER);
        let manager = Manager::new_with_config(self.info.clone().set_tcp_settings(tcp), connection)
            .expect("a ConnectionInfo is always accepted");
        Pool::builder(manager)
            .max_size(self.connections)
            .runtime(Runtime::Tokio1)
            .create_timeout(Some(self.connect_timeout))
            .build()
            .expect("a runtime is given for the timeout")
    }
}
