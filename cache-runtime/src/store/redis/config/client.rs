//! The clients that a configuration makes: for a connection beside the pool, for a short question.

use std::time::Duration;

use redis::{
    Client, ConnectionAddr, ConnectionInfo, ProtocolVersion, RedisConnectionInfo, RedisResult,
    io::tcp::{TcpSettings, socket2::TcpKeepalive},
};

use super::RedisConfig;
#[cfg(feature = "tls")]
use super::tls;

/// How long a sentinel may take to answer, or a server of a cluster to say who has which keys.
const DISCOVERY_DEADLINE: Duration = Duration::from_millis(500);

impl RedisConfig {
    /// Another server's address, reached as the one of the URL is: with or without TLS.
    pub(in super::super) fn address_of(&self, host: String, port: u16) -> ConnectionAddr {
        match self.info.addr() {
            ConnectionAddr::TcpTls {
                insecure, tls_params, ..
            } => ConnectionAddr::TcpTls {
                host,
                port,
                insecure: *insecure,
                tls_params: tls_params.clone(),
            },
            _ => ConnectionAddr::Tcp(host, port),
        }
    }

    /// A client for one connection beside the pool, which speaks RESP3.
    pub(in super::super) fn resp3_client(&self, address: ConnectionAddr) -> RedisResult<Client> {
        let settings = self.info.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
        Client::open(self.connection_info(address).set_redis_settings(settings))
    }

    /// A client for one short question to a server.
    pub(in super::super) fn client(&self, address: ConnectionAddr) -> RedisResult<Client> {
        Client::open(self.connection_info(address))
    }

    /// A client for one short question to a sentinel.
    pub(in super::super) fn sentinel_client(&self, address: ConnectionAddr) -> RedisResult<Client> {
        let mut settings = RedisConnectionInfo::default();
        if let Some(password) = &self.sentinel_password {
            settings = settings.set_password(password);
        }
        Client::open(self.connection_info(address).set_redis_settings(settings))
    }

    /// How long a question may take that says where to connect, together with the connection for it.
    pub(in super::super) fn discovery_deadline(&self) -> Duration {
        self.connect_timeout.min(DISCOVERY_DEADLINE)
    }

    /// All that a connection to this server takes.
    pub(in super::super) fn connection_info(&self, address: ConnectionAddr) -> ConnectionInfo {
        #[cfg(feature = "tls")]
        tls::choose_provider(&address);
        let mut tcp = TcpSettings::default().set_nodelay(true);
        if let Some(idle) = self.keepalive {
            tcp = tcp.set_keepalive(TcpKeepalive::new().with_time(idle));
        }
        self.info.clone().set_addr(address).set_tcp_settings(tcp)
    }
}
