use std::{
    fs::File,
    io,
    os::unix::process::CommandExt as _,
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use redis::{Client, ServerErrorKind};
use rustix::process::{Pid, Signal, kill_process};

use super::builder::Role;
use crate::watchdog::Watchdog;

/// Between two looks at a server that is starting or stopping.
const POLL: Duration = Duration::from_millis(2);

/// How long one attempt to reach a starting server may take.
const ATTEMPT: Duration = Duration::from_millis(250);

/// How long a server may take to end by itself.
const STOP: Duration = Duration::from_secs(10);

/// One run of the server program. Ends with this value.
#[derive(Debug)]
pub(super) struct Process {
    /// Dropped, and so ended, before the server: it must not aim at a process number that is free again.
    watchdog: Option<Watchdog>,
    child: Child,
}

impl Process {
    /// Starts the program with `redis.conf` in `folder`; what it writes is added to `log`.
    pub(super) fn spawn(binary: &Path, role: Role, folder: &Path, log: &Path) -> io::Result<Self> {
        let log = File::options().create(true).append(true).open(log)?;
        let child = Command::new(binary)
            .arg(folder.join(super::CONFIG_FILE))
            .args((role == Role::Sentinel).then_some("--sentinel"))
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            // Ctrl-C is for the test process; it ends its servers itself.
            .process_group(0)
            .spawn()?;
        let mut process = Self { watchdog: None, child };
        process.watchdog = Some(Watchdog::over(process.pid(), folder)?);
        Ok(process)
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Returns once this very process answers commands, or with what was seen instead.
    pub(super) fn wait_until_ready(&mut self, client: &Client, within: Duration) -> Result<(), String> {
        let deadline = Instant::now() + within;
        loop {
            if let Ok(Some(status)) = self.child.try_wait() {
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
        if let Some(pid) = i32::try_from(self.pid()).ok().and_then(Pid::from_raw) {
            let _ = kill_process(pid, signal);
        }
    }

    /// Asks the server to end, as an administrator would, and waits. One that does not end in time is killed.
    pub(super) fn stop(mut self) {
        self.signal(Signal::CONT);
        self.signal(Signal::TERM);
        let deadline = Instant::now() + STOP;
        while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < deadline {
            thread::sleep(POLL);
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.watchdog = None;
        // Both fail only if the server is gone, which is all that is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
