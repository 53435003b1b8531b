//! Servers that do not outlive the test process.

use std::{
    fs::File,
    io,
    os::unix::process::CommandExt as _,
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

/// Between two looks at a server that is stopping.
const POLL: Duration = Duration::from_millis(2);

/// The process of a server. Ends with this value.
#[derive(Debug)]
pub(crate) struct Watched {
    /// Dropped, and so ended, before the server: it must not aim at a process number that is free again.
    watchdog: Option<Watchdog>,
    child: Child,
}

impl Watched {
    /// Starts the program in `folder`; what it writes is added to `log`.
    pub(crate) fn spawn(command: &mut Command, folder: &Path, log: &Path) -> io::Result<Self> {
        let log = File::options().create(true).append(true).open(log)?;
        let child = command
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            // Ctrl-C is for the test process; it ends its servers itself.
            .process_group(0)
            .spawn()?;
        let mut watched = Self { watchdog: None, child };
        watched.watchdog = Some(Watchdog::over(watched.pid(), folder)?);
        Ok(watched)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// How it has ended, if it has.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Sends a signal; a process that is gone already is no error.
    pub(crate) fn signal(&self, signal: Signal) {
        if let Some(pid) = i32::try_from(self.pid()).ok().and_then(Pid::from_raw) {
            let _ = kill_process(pid, signal);
        }
    }

    /// Waits until it ends by itself, or for so long.
    pub(crate) fn wait(&mut self, at_most: Duration) {
        let deadline = Instant::now() + at_most;
        while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < deadline {
            thread::sleep(POLL);
        }
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.watchdog = None;
        // Both fail only if the server is gone, which is all that is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Outlives the process that started it by a moment, and takes the server and its files along.
const SCRIPT: &str = r#"read -r _; kill -9 "$1"; rm -rf -- "$2""#;

/// Kills a server whose test process was killed, so that nothing is left running after a timeout or Ctrl-C.
///
/// A shell waits for the end of a pipe whose other end this process alone holds. The usual way on Linux, a
/// parent-death signal, needs `unsafe`, and fires when the *thread* that started the server ends.
#[derive(Debug)]
struct Watchdog {
    shell: Child,
}

impl Watchdog {
    /// Watches over the server `pid`, whose files are in `folder`.
    fn over(pid: u32, folder: &Path) -> io::Result<Self> {
        let shell = Command::new("sh")
            .args(["-c", SCRIPT, "watchdog"])
            .arg(pid.to_string())
            .arg(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // A group of its own: what ends the test's group must not end its watchdog first.
            .process_group(0)
            .spawn()?;
        Ok(Self { shell })
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        // Both fail only if the shell is gone, which is all that is wanted.
        let _ = self.shell.kill();
        let _ = self.shell.wait();
    }
}
