//! A Redis or Valkey server of its own for a test.

mod builder;
mod error;
mod process;

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use redis::{Client, Cmd, FromRedisValue, RedisError, ToRedisArgs};
use rustix::process::Signal;
use tempfile::TempDir;

pub(crate) use self::builder::{Role, free_port};
use self::process::Process;
pub use self::{builder::RedisServerBuilder, error::StartError};

const CONFIG_FILE: &str = "redis.conf";
const LOG_FILE: &str = "redis.log";

/// What the server writes when its port is taken.
const PORT_TAKEN: &str = "Address already in use";

/// How long [`RedisServer::command`] waits for an answer.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(5);

/// A server that only this value knows: on a free loopback port or a unix socket, with a temporary folder, keeping
/// nothing on disk. Dropping it ends the server and removes the folder; so does the end of the test process, however
/// it comes.
///
/// The methods block for some milliseconds. That is fine in an async test.
///
/// ```
/// use cache_testkit::RedisServer;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let server = RedisServer::builder().config("maxmemory", "10mb").start()?;
/// server.command::<()>(["SET", "greeting", "hello"])?;
/// assert_eq!(server.command::<String>(["GET", "greeting"])?, "hello");
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct RedisServer {
    /// `None` while the server is stopped. Dropped before the folder that the server works in.
    process: Mutex<Option<Process>>,
    binary: PathBuf,
    folder: TempDir,
    url: String,
    port: Option<u16>,
    /// For the other members of a cluster.
    bus_port: Option<u16>,
    role: Role,
    client: Client,
    start_timeout: Duration,
}

impl RedisServer {
    /// Starts a server with the default settings.
    ///
    /// # Errors
    ///
    /// As [`RedisServerBuilder::start`].
    pub fn start() -> Result<Self, StartError> {
        Self::builder().start()
    }

    /// Settings for a server that is not started yet.
    pub fn builder() -> RedisServerBuilder {
        RedisServerBuilder::default()
    }

    /// The address, as `REDIS_URL` takes it, with the password if there is one. The same after every restart.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What the URLs of this server begin with, for one that leads to several: the scheme, and user and password, if there are
    /// any, with the `@` after them.
    pub(crate) fn scheme_and_credentials(&self) -> (&str, &str) {
        let (scheme, rest) = self.url.split_once("://").unwrap_or_default();
        let credentials = rest.find('@').map_or("", |at| &rest[..=at]);
        (scheme, credentials)
    }

    /// The port on 127.0.0.1; `None` for a server on a unix socket. The same after every restart.
    pub fn port(&self) -> Option<u16> {
        self.port
    }

    /// The port on which the members of a cluster speak to each other; `None` outside of a cluster.
    pub(crate) fn bus_port(&self) -> Option<u16> {
        self.bus_port
    }

    /// What a set of servers that does not come about reports: this server's view of it.
    pub(crate) fn failed(&self, reason: impl Into<String>) -> StartError {
        StartError::Failed {
            binary: self.binary.clone(),
            reason: reason.into(),
            log: self.log(),
        }
    }

    /// The folder that the server works in and leaves its files in.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The server's process; `None` while it is stopped.
    pub fn pid(&self) -> Option<u32> {
        self.process().as_ref().map(Process::pid)
    }

    /// Everything that the server has written so far, over all restarts.
    pub fn log(&self) -> String {
        fs::read(self.log_file())
            .map(|log| String::from_utf8_lossy(&log).into_owned())
            .unwrap_or_default()
    }

    /// Sends one command over a connection of its own and returns the answer.
    ///
    /// # Errors
    ///
    /// If the server is not reached, does not answer within 5 s, answers with an error, or answers something that is no
    /// `T`. With `T = redis::Value` every answer will do.
    pub fn command<T: FromRedisValue>(
        &self,
        words: impl IntoIterator<Item = impl ToRedisArgs>,
    ) -> Result<T, RedisError> {
        let mut connection = self.client.get_connection_with_timeout(COMMAND_TIMEOUT)?;
        connection.set_read_timeout(Some(COMMAND_TIMEOUT))?;
        let mut command = Cmd::new();
        for word in words {
            command.arg(word);
        }
        command.query(&mut connection)
    }

    /// Kills the server (SIGKILL): it closes nothing and saves nothing. Does nothing while it is stopped.
    pub fn kill(&self) {
        self.process().take();
    }

    /// Stops the server in order (SIGTERM), which saves if saving is configured. Does nothing while it is stopped.
    pub fn stop(&self) {
        if let Some(process) = self.process().take() {
            process.stop();
        }
    }

    /// Stops the server in order if it runs, and starts it again at the same address in the same folder.
    ///
    /// # Errors
    ///
    /// As [`RedisServerBuilder::start`]. A port that somebody else took in the meantime is waited for.
    pub fn restart(&self) -> Result<(), StartError> {
        self.stop();
        let deadline = Instant::now() + self.start_timeout;
        loop {
            match self.launch() {
                Err(StartError::Failed { log, .. }) if log.contains(PORT_TAKEN) && Instant::now() < deadline => {}
                done => return done,
            }
        }
    }

    /// Makes the server hang (SIGSTOP): connections stay open, nothing is answered. Does nothing while it is stopped.
    pub fn pause(&self) {
        self.signal(Signal::STOP);
    }

    /// Ends [`pause`](Self::pause) (SIGCONT).
    pub fn resume(&self) {
        self.signal(Signal::CONT);
    }

    fn launch(&self) -> Result<(), StartError> {
        let written_before = self.log().len();
        let failed = |reason| StartError::Failed {
            binary: self.binary.clone(),
            reason,
            log: self.log().split_off(written_before),
        };
        let mut process = Process::spawn(&self.binary, self.role, self.folder(), &self.log_file())
            .map_err(|error| failed(format!("it could not be run: {error}")))?;
        process
            .wait_until_ready(&self.client, self.start_timeout)
            .map_err(failed)?;
        *self.process() = Some(process);
        Ok(())
    }

    fn signal(&self, signal: Signal) {
        if let Some(process) = self.process().as_ref() {
            process.signal(signal);
        }
    }

    fn log_file(&self) -> PathBuf {
        self.folder().join(LOG_FILE)
    }

    fn process(&self) -> MutexGuard<'_, Option<Process>> {
        // A panic elsewhere must not keep the server from being ended.
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
