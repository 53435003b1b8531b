use std::{
    env,
    fmt::Write as _,
    fs, io,
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
    sync::Mutex,
    time::Duration,
};

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::{CONFIG_FILE, RedisServer, StartError};

/// The variable that names the program to start.
const VARIABLE: &str = "CACHE_TESTKIT_SERVER";

/// The programs that are looked for, the preferred one first.
const BINARIES: [&str; 2] = ["redis-server", "valkey-server"];

/// How often another port is tried when somebody took the one that was free a moment ago.
const PORT_ATTEMPTS: usize = 20;

/// Settings of a [`RedisServer`] before its start.
#[derive(Debug, Clone)]
#[must_use = "a builder does nothing until `start` is called"]
pub struct RedisServerBuilder {
    binary: Option<PathBuf>,
    config: Vec<(String, String)>,
    password: Option<String>,
    unix_socket: bool,
    role: Role,
    #[cfg(feature = "tls")]
    tls: Option<crate::TestAuthority>,
    start_timeout: Duration,
}

/// What kind of server it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Server,
    Sentinel,
    /// A member of a cluster, or to be one.
    Member,
}

impl Default for RedisServerBuilder {
    fn default() -> Self {
        Self {
            binary: None,
            config: Vec::new(),
            password: None,
            unix_socket: false,
            role: Role::Server,
            #[cfg(feature = "tls")]
            tls: None,
            start_timeout: Duration::from_secs(10),
        }
    }
}

impl RedisServerBuilder {
    /// The program to start. Default: the one whose path is in the variable `CACHE_TESTKIT_SERVER`, so that the same tests run
    /// against another version; without it `redis-server`, else `valkey-server`, from the `PATH`.
    pub fn binary(mut self, path: impl Into<PathBuf>) -> Self {
        self.binary = Some(path.into());
        self
    }

    /// Adds a line to the server's configuration file: `config("maxmemory", "10mb")`.
    ///
    /// A later line wins over the defaults, which are: loopback only, no password, no persistence, and the port or socket
    /// of [`RedisServer::url`]. Leave `port`, `unixsocket`, `dir` and `requirepass` to this builder.
    pub fn config(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.config.push((name.into(), value.into()));
        self
    }

    /// The password of the default user, and what a replica says to its primary. It becomes part of [`RedisServer::url`].
    pub fn password(mut self, password: impl Into<String>) -> Self {
        self.password = Some(password.into());
        self
    }

    /// Listens on a unix socket in the server's own folder, and on no port.
    pub fn with_unix_socket(mut self) -> Self {
        self.unix_socket = true;
        self
    }

    /// Listens with TLS alone, under a certificate that `authority` has signed for `127.0.0.1` and `localhost`. Clients need
    /// no certificate, unless `config("tls-auth-clients", "yes")` says so.
    #[cfg(feature = "tls")]
    pub fn with_tls(mut self, authority: &crate::TestAuthority) -> Self {
        self.tls = Some(authority.clone());
        self
    }

    /// Becomes a sentinel, or able to join a cluster.
    pub(crate) fn role(mut self, role: Role) -> Self {
        self.role = role;
        self
    }

    /// The password of the default user, as the value of a line of a configuration file.
    pub(crate) fn quoted_password(&self) -> Option<String> {
        self.password.as_deref().map(quoted)
    }

    /// How long the server may take until it answers. Default: 10 s.
    pub fn start_timeout(mut self, timeout: Duration) -> Self {
        self.start_timeout = timeout;
        self
    }

    /// Starts the server and waits until it answers a PING. Blocks for some milliseconds.
    ///
    /// # Errors
    ///
    /// [`StartError::Missing`] without a program to start, [`StartError::Failed`] with the server's log if it ends or does
    /// not answer in time.
    pub fn start(self) -> Result<RedisServer, StartError> {
        let binary = self.find_binary()?;
        for _ in 1..PORT_ATTEMPTS {
            match self.attempt(&binary) {
                Err(StartError::Failed { log, .. }) if log.contains(super::PORT_TAKEN) => {}
                done => return done,
            }
        }
        self.attempt(&binary)
    }

    fn find_binary(&self) -> Result<PathBuf, StartError> {
        let named = || env::var_os(VARIABLE).map(PathBuf::from);
        let found = || BINARIES.iter().find_map(|name| which::which(name).ok());
        let binary = self.binary.clone().or_else(named).or_else(found);
        binary.ok_or(StartError::Missing)
    }

    fn attempt(&self, binary: &Path) -> Result<RedisServer, StartError> {
        let folder = tempfile::Builder::new()
            .prefix("cache-testkit-")
            .tempdir()
            .map_err(StartError::system("making a temporary folder"))?;
        let endpoint = self
            .endpoint(folder.path())
            .map_err(StartError::system("finding a free port"))?;
        let bus_port = match self.role {
            Role::Member => Some(free_port().map_err(StartError::system("finding a free port"))?),
            Role::Server | Role::Sentinel => None,
        };
        #[cfg(feature = "tls")]
        if let Some(authority) = &self.tls {
            authority
                .certify_server(folder.path())
                .map_err(StartError::system("writing the server's certificate"))?;
        }
        fs::write(folder.path().join(CONFIG_FILE), self.config_file(&endpoint, bus_port))
            .map_err(StartError::system("writing the server's configuration"))?;
        let url = self.url(&endpoint);
        let client = self.client(&url).map_err(|error| StartError::Failed {
            binary: binary.to_owned(),
            reason: format!("its address is not understood: {error}"),
            log: String::new(),
        })?;
        let server = RedisServer {
            process: Mutex::new(None),
            binary: binary.to_owned(),
            folder,
            port: endpoint.port(),
            bus_port,
            role: self.role,
            url,
            client,
            start_timeout: self.start_timeout,
        };
        server.launch()?;
        Ok(server)
    }

    fn endpoint(&self, folder: &Path) -> io::Result<Endpoint> {
        if self.unix_socket {
            return Ok(Endpoint::Socket(folder.join("redis.sock")));
        }
        free_port().map(Endpoint::Port)
    }

    #[cfg_attr(
        not(feature = "tls"),
        expect(clippy::unused_self, reason = "it knows only about TLS")
    )]
    fn client(&self, url: &str) -> redis::RedisResult<redis::Client> {
        #[cfg(feature = "tls")]
        if let Some(authority) = &self.tls {
            return authority.client(url);
        }
        redis::Client::open(url)
    }

    #[cfg_attr(
        not(feature = "tls"),
        expect(clippy::unused_self, reason = "it knows only about TLS")
    )]
    fn has_tls(&self) -> bool {
        #[cfg(feature = "tls")]
        return self.tls.is_some();
        #[cfg(not(feature = "tls"))]
        false
    }

    fn config_file(&self, endpoint: &Endpoint, bus_port: Option<u16>) -> String {
        let mut lines = String::new();
        let mut line = |name: &str, value: &str| {
            writeln!(lines, "{name} {value}").expect("a String takes everything");
        };
        match endpoint {
            Endpoint::Port(port) if self.has_tls() => {
                line("bind", "127.0.0.1");
                line("port", "0");
                line("tls-port", &port.to_string());
                line("tls-cert-file", "server.pem");
                line("tls-key-file", "server.key");
                line("tls-ca-cert-file", "ca.pem");
                line("tls-auth-clients", "no");
                // To its primary, and to the servers that a sentinel watches over.
                line("tls-replication", "yes");
            }
            Endpoint::Port(port) => {
                line("bind", "127.0.0.1");
                line("port", &port.to_string());
            }
            Endpoint::Socket(path) => {
                line("port", "0");
                line("unixsocket", &quoted(&path.to_string_lossy()));
            }
        }
        line("save", "\"\"");
        line("appendonly", "no");
        if let Some(port) = bus_port {
            line("cluster-enabled", "yes");
            line("cluster-port", &port.to_string());
            // Without TLS a server may be one that does not know the word.
            if self.has_tls() {
                line("tls-cluster", "yes");
            }
        }
        if let Some(password) = &self.password {
            line("requirepass", &quoted(password));
            line("masterauth", &quoted(password));
        }
        for (name, value) in &self.config {
            line(name, value);
        }
        lines
    }

    fn url(&self, endpoint: &Endpoint) -> String {
        let password = self
            .password
            .as_deref()
            .map(|password| utf8_percent_encode(password, NON_ALPHANUMERIC));
        let scheme = if self.has_tls() { "rediss" } else { "redis" };
        match (endpoint, password) {
            (Endpoint::Port(port), None) => format!("{scheme}://127.0.0.1:{port}"),
            (Endpoint::Port(port), Some(password)) => {
                format!("{scheme}://:{password}@127.0.0.1:{port}")
            }
            (Endpoint::Socket(path), None) => format!("redis+unix://{}", path.display()),
            (Endpoint::Socket(path), Some(password)) => {
                format!("redis+unix://{}?pass={password}", path.display())
            }
        }
    }
}

/// Where a server listens.
enum Endpoint {
    Port(u16),
    Socket(PathBuf),
}

impl Endpoint {
    fn port(&self) -> Option<u16> {
        match self {
            Self::Port(port) => Some(*port),
            Self::Socket(_) => None,
        }
    }
}

/// Free now; whoever takes it before the server does makes the start try another one.
pub(crate) fn free_port() -> io::Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    listener.local_addr().map(|address| address.port())
}

/// A word of the server's configuration file that may contain anything.
fn quoted(word: &str) -> String {
    format!("\"{}\"", word.replace('\\', "\\\\").replace('"', "\\\""))
}
