use std::{
    io,
    path::Path,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use redis::{Client, ServerErrorKind};
use rustix::process::Signal;

use super::builder::Role;
use crate::watched::Watched;

/// Between two looks at a server that is starting or stopping.
const POLL: Duration = Duration::from_millis(2);

/// How long one attempt to reach a starting server may take.
const ATTEMPT: Duration = Duration::from_millis(250);

/// How long a server may take to end by itself.
const STOP: Duration = Duration::from_secs(10);

/// One run of the server program. Ends with this value.
#[derive(Debug)]
pub(super) struct Process(Watched);

impl Process {
    /// Starts the program with `redis.conf` in `folder`; what it writes is added to `log`.
    pub(super) fn spawn(binary: &Path, role: Role, folder: &Path, log: &Path) -> io::Result<Self> {
        let mut command = Command::new(binary);
        command
            .arg(folder.join(super::CONFIG_FILE))
            .args((role == Role::Sentinel).then_some("--sentinel"));
        Watched::spawn(&mut command, folder, log).map(Self)
    }

    pub(super) fn pid(&self) -> u32 {
        self.0.pid()
    }

    /// Returns once this very process answers commands, or with what was seen instead.
    pub(super) fn wait_until_ready(&mut self, client: &Client, within: Duration) -> Result<(), String> {
        let deadline = Instant::now() + within;
        loop {
            if let Some(status) = self.0.ended() {
                return Err(format!("it ended with {status}"));
            }
            match self.answers(client) {
                Ok(()) => return Ok(()),
                Err(_) if Instant::now() < deadline => thread::sleep(POLL),
                Err(error) => return Err(format!("no answer within {within:?}: {error}")),
            }
        }
    }

    /// A PING over a connection of its own, and a look at who answered: on a port that somebody else took in between,
    /// it would be another server.
    fn answers(&self, client: &Client) -> Result<(), String> {
        let mut connection = client
            .get_connection_with_timeout(ATTEMPT)
            .map_err(|error| error.to_string())?;
        connection
            .set_read_timeout(Some(ATTEMPT))
            .map_err(|error| error.to_string())?;
        redis::cmd("PING")
            .exec(&mut connection)
            .map_err(|error| error.to_string())?;
        let info: String = match redis::cmd("INFO").arg("server").query(&mut connection) {
            Ok(info) => info,
            // Somebody gave the default user fewer rights. It answers, and that is what was asked.
            Err(error) if error.kind() == ServerErrorKind::NoPerm.into() => return Ok(()),
            Err(error) => return Err(error.to_string()),
        };
        let pid = info.lines().find_map(|line| line.strip_prefix("process_id:"));
        if pid.is_some_and(|pid| pid.trim() == self.pid().to_string()) {
            Ok(())
        } else {
            Err(format!("another process ({}) answers there", pid.unwrap_or("unknown")))
        }
    }

    /// Sends a signal; a process that is gone already is no error.
    pub(super) fn signal(&self, signal: Signal) {
        self.0.signal(signal);
    }

    /// Asks the server to end, as an administrator would, and waits. One that does not end in time is killed.
    pub(super) fn stop(mut self) {
        self.signal(Signal::CONT);
        self.signal(Signal::TERM);
        self.0.wait(STOP);
    }
}
