use std::{
    io,
    os::unix::process::CommandExt as _,
    path::Path,
    process::{Child, Command, Stdio},
};

/// Outlives the process that started it by a moment, and takes the server and its files along.
const SCRIPT: &str = r#"read -r _; kill -9 "$1"; rm -rf -- "$2""#;

/// Kills a server whose test process was killed, so that nothing is left running after a timeout or Ctrl-C.
///
/// A shell waits for the end of a pipe whose other end this process alone holds. The usual way on Linux, a
/// parent-death signal, needs `unsafe`, and fires when the *thread* that started the server ends.
#[derive(Debug)]
pub(crate) struct Watchdog {
    shell: Child,
}

impl Watchdog {
    /// Watches over the server `pid`, whose files are in `folder`.
    pub(crate) fn over(pid: u32, folder: &Path) -> io::Result<Self> {
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
