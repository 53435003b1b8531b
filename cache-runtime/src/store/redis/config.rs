//! The configuration of a store in Redis: where the servers are, and how to connect to them.

mod client;
mod deployment;
#[cfg(feature = "tls")]
mod tls;
mod url;

use std::{fmt, net::IpAddr, time::Duration};

use redis::{ConnectionAddr, ConnectionInfo};

pub(super) use self::deployment::Deployment;
use self::{
    deployment::{list, written},
    url::Location,
};
use crate::key::Namespace;

/// Where Redis is, a server, a cluster or what sentinels watch over, and how to connect to it.
#[derive(Clone)]
pub struct RedisConfig {
    /// The first address of the URL, and what is the same for all servers: credentials, database, TLS.
    info: ConnectionInfo,
    deployment: Deployment,
    sentinel_password: Option<String>,
    #[cfg(feature = "tls")]
    certificates: redis::TlsCertificates,
    connections: usize,
    connect_timeout: Duration,
    keepalive: Option<Duration>,
    wait_replicas: u32,
    near_heartbeat: Duration,
    /// What keys begin with.
    namespace: Namespace,
}

/// What a [`RedisConfig`] cannot be made of, in a sentence without secrets. `Debug` is the same sentence, for programs that return it
/// from `main`.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct RedisConfigError(String);

impl fmt::Debug for RedisConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Shows no password and no certificate.
impl fmt::Debug for RedisConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisConfig")
            .field("address", &format_args!("{}", self.info.addr()))
            .field("deployment", &self.deployment)
            .field("database", &self.info.redis_settings().db())
            .field("connections", &self.connections)
            .field("connect_timeout", &self.connect_timeout)
            .field("keepalive", &self.keepalive)
            .field("wait_replicas", &self.wait_replicas)
            .field("near_heartbeat", &self.near_heartbeat)
            .field("namespace", &self.namespace_name())
            .finish_non_exhaustive()
    }
}

impl RedisConfig {
    /// More connections than this are never opened to one server: a few carry what all callers ask.
    pub const MOST_CONNECTIONS: usize = 1024;

    /// What `url` names: a server, a cluster, or the sentinels that watch over one.
    ///
    /// - `redis://[user[:password]@]host[:port][/database]`, `redis+unix:///path/to/socket`;
    /// - `redis-cluster://[user[:password]@]host[:port],host[:port]`: some servers of the cluster;
    /// - `redis-sentinel://[user[:password]@]host[:port],host[:port][/database]#service`: the sentinels, and the name under
    ///   which they know the primary; user and password are those of the primary;
    /// - with the cargo feature `tls` also `rediss://`, `rediss-cluster://` and `rediss-sentinel://`;
    /// - `valkey` and `valkeys` in place of `redis` and `rediss`.
    ///
    /// Four connections (to each primary of a cluster), 5 s to connect, keepalive after 60 s.
    ///
    /// # Errors
    ///
    /// What is wrong with the URL: every part of it means something, or is refused by its name. The message does not repeat
    /// it, because it may hold a password.
    pub fn new(url: &str) -> Result<Self, RedisConfigError> {
        let Location { info, deployment } = url::parse(url).map_err(RedisConfigError)?;
        Ok(Self {
            info,
            deployment,
            sentinel_password: None,
            #[cfg(feature = "tls")]
            certificates: redis::TlsCertificates {
                client_tls: None,
                root_cert: None,
            },
            connections: 4,
            connect_timeout: Duration::from_secs(5),
            keepalive: Some(Duration::from_mins(1)),
            wait_replicas: 0,
            near_heartbeat: Duration::from_millis(250),
            namespace: Namespace::default(),
        })
    }

    /// The password, whatever the URL says.
    #[must_use]
    pub fn password(mut self, password: &str) -> Self {
        let settings = self.info.redis_settings().clone().set_password(password);
        self.info = self.info.set_redis_settings(settings);
        self
    }

    /// The password of the sentinels themselves, if they ask for one. Default: none.
    #[must_use]
    pub fn sentinel_password(mut self, password: &str) -> Self {
        self.sentinel_password = Some(password.to_owned());
        self
    }

    /// The authorities, in PEM, of which one must have signed the server's certificate. Default: those of the system.
    ///
    /// # Errors
    ///
    /// If the URL's scheme is one without TLS, or the text holds no certificate.
    pub fn tls_ca(self, pem: &[u8]) -> Result<Self, RedisConfigError> {
        self.require_tls()?;
        #[cfg(feature = "tls")]
        return tls::with_ca(self, pem).map_err(RedisConfigError);
        #[cfg(not(feature = "tls"))]
        unreachable!("without the feature no URL with TLS is accepted: {} bytes", pem.len())
    }

    /// The certificate, with what leads to its authority, and the key, both in PEM, by which the server knows this program.
    /// Default: none.
    ///
    /// # Errors
    ///
    /// If the URL's scheme is one without TLS, or either text does not hold what it should. The key is not repeated.
    pub fn tls_client(self, certificate: &[u8], key: &[u8]) -> Result<Self, RedisConfigError> {
        self.require_tls()?;
        #[cfg(feature = "tls")]
        return tls::with_client(self, certificate, key).map_err(RedisConfigError);
        #[cfg(not(feature = "tls"))]
        unreachable!(
            "without the feature no URL with TLS is accepted: {} bytes",
            certificate.len() + key.len()
        )
    }

    /// The namespace of the keys, for a Redis that several programs share: every key begins with it and a colon, as in
    /// `billing:cache:default:invoices:5f93f983524d`. Programs of one namespace share what they cache, and invalidate each other's;
    /// two that mean different things by one name of a resource need two. Default: none.
    ///
    /// # Errors
    ///
    /// If the name is none: 1 to 64 of the characters `A` to `Z`, `a` to `z`, `0` to `9`, `_`, `.` and `-`, not beginning with
    /// `cache`.
    pub fn namespace(mut self, name: &str) -> Result<Self, RedisConfigError> {
        self.namespace = Namespace::named(name).map_err(RedisConfigError)?;
        Ok(self)
    }

    /// The number of connections, from 1 to [`MOST_CONNECTIONS`](Self::MOST_CONNECTIONS); in a cluster to each primary. Half of
    /// them carry reads.
    #[must_use]
    pub fn max_connections(mut self, connections: usize) -> Self {
        self.connections = connections.clamp(1, Self::MOST_CONNECTIONS);
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
    /// [`CacheBuilder::near_max_staleness`](crate::CacheBuilder::near_max_staleness) fits. Default: 250 ms.
    #[must_use]
    pub fn near_heartbeat(mut self, interval: Duration) -> Self {
        self.near_heartbeat = interval.max(Duration::from_millis(1));
        self
    }

    pub(super) fn namespace_name(&self) -> Option<&str> {
        self.namespace.name()
    }

    pub(super) fn key_namespace(&self) -> &Namespace {
        &self.namespace
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

    /// The connections to one server altogether.
    pub(super) fn lanes(&self) -> usize {
        self.connections + usize::from(self.wait_replicas > 0)
    }

    pub(super) fn connect_deadline(&self) -> Duration {
        self.connect_timeout
    }

    /// The URL without what is secret in it, and the namespace.
    pub(super) fn description(&self) -> String {
        match self.namespace_name() {
            None => self.location(),
            Some(namespace) => format!("{}, namespace {namespace}", self.location()),
        }
    }

    fn location(&self) -> String {
        let tls = match self.info.addr() {
            ConnectionAddr::TcpTls { .. } => "s",
            ConnectionAddr::Unix(path) => return format!("redis+unix://{}{}", path.display(), self.database("?db=")),
            _ => "",
        };
        match &self.deployment {
            Deployment::Server => format!("redis{tls}://{}{}", written(self.info.addr()), self.database("/")),
            Deployment::Cluster { seeds } => format!("redis{tls}-cluster://{}", list(seeds)),
            Deployment::Sentinel { sentinels, service } => {
                let (sentinels, database) = (list(sentinels), self.database("/"));
                format!("redis{tls}-sentinel://{sentinels}{database}#{service}")
            }
        }
    }

    /// Nothing for the one that everybody uses.
    fn database(&self, before: &str) -> String {
        match self.info.redis_settings().db() {
            0 => String::new(),
            database => format!("{before}{database}"),
        }
    }

    /// Whether a user is named who cannot log in.
    pub(crate) fn lacks_password(&self) -> bool {
        let settings = self.info.redis_settings();
        settings.username().is_some() && settings.password().is_none()
    }

    /// Whether connections are encrypted, or do not leave this machine.
    pub(super) fn is_private(&self) -> bool {
        match self.info.addr() {
            ConnectionAddr::Tcp(host, _) => {
                let is_loopback = |address: IpAddr| address.is_loopback();
                host == "localhost" || host.parse().is_ok_and(is_loopback)
            }
            _ => true,
        }
    }

    /// Whether a user or a password is given.
    pub(super) fn is_authenticated(&self) -> bool {
        let settings = self.info.redis_settings();
        settings.username().is_some() || settings.password().is_some()
    }

    pub(super) fn deployment(&self) -> &Deployment {
        &self.deployment
    }

    /// The address that the URL names first.
    pub(super) fn address(&self) -> &ConnectionAddr {
        self.info.addr()
    }

    /// # Errors
    ///
    /// If the URL's scheme is one without TLS.
    fn require_tls(&self) -> Result<(), RedisConfigError> {
        match self.info.addr() {
            ConnectionAddr::TcpTls { .. } => Ok(()),
            _ => Err(RedisConfigError(
                "certificates are for URLs that begin with rediss".to_owned(),
            )),
        }
    }
}
