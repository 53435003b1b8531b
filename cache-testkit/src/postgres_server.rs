//! A PostgreSQL server of its own for a test.

use std::{
    env, fs, io,
    io::{Read as _, Write as _},
    net::{Ipv4Addr, TcpStream},
    os::unix::{fs::chown, process::CommandExt as _},
    path::{Path, PathBuf},
    process::Command,
    sync::{Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::{
    redis_server::{StartError, free_port},
    watched::Watched,
};

/// The variable that names the folder of the programs.
const VARIABLE: &str = "CACHE_TESTKIT_POSTGRES";

/// Where packages put the programs; the folder above each has the version in its name.
const PLACES: [(&str, &str); 4] = [
    ("/usr/lib/postgresql", "bin"),
    ("/usr", "bin"),
    ("/opt/homebrew/opt", "bin"),
    ("/usr/local/opt", "bin"),
];

const LOG_FILE: &str = "postgres.log";

/// What the server writes when its port is taken.
const PORT_TAKEN: &str = "Address already in use";

/// How often another port is tried.
const PORT_ATTEMPTS: usize = 20;

/// Between two looks at a server that is starting or stopping.
const POLL: Duration = Duration::from_millis(5);

/// How long a server may take to start, and to end by itself.
const START: Duration = Duration::from_mins(1);
const STOP: Duration = Duration::from_secs(20);

/// Who owns the files and runs the server, where the test is run by root: PostgreSQL refuses to.
const UNPRIVILEGED: [&str; 2] = ["postgres", "nobody"];

/// A server that only this value knows: on a free loopback port, with a temporary folder, and with the superuser `postgres`, who
/// needs no password. Nothing is flushed to the disk, unless `config("fsync", "on")` says so. Dropping it ends the server and removes
/// the folder; so does the end of the test process, however it comes.
///
/// The methods block, for a second or two where they start a server.
#[derive(Debug)]
pub struct PostgresServer {
    /// `None` while the server is stopped. Dropped before the folder that the server works in.
    process: Mutex<Option<Process>>,
    programs: PathBuf,
    folder: TempDir,
    port: u16,
    user: Option<User>,
}

/// Settings of a [`PostgresServer`] before its start.
#[derive(Debug, Clone, Default)]
#[must_use = "a builder does nothing until `start` is called"]
pub struct PostgresServerBuilder {
    programs: Option<PathBuf>,
    config: Vec<(String, String)>,
}

impl PostgresServerBuilder {
    /// The folder of `initdb` and `postgres`. Default: the one in the variable `CACHE_TESTKIT_POSTGRES`, so that the same tests run
    /// against another version; without it that of the `PATH`, or where packages put it.
    pub fn programs(mut self, folder: impl Into<PathBuf>) -> Self {
        self.programs = Some(folder.into());
        self
    }

    /// Adds a line to `postgresql.conf`: `config("wal_level", "logical")`. A later line wins.
    pub fn config(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.config.push((name.into(), value.into()));
        self
    }

    /// Makes a cluster, starts the server and waits until it answers.
    ///
    /// # Errors
    ///
    /// [`StartError::NoPostgres`] without programs, [`StartError::Failed`] with the log of what ended.
    pub fn start(self) -> Result<PostgresServer, StartError> {
        let programs = self
            .programs
            .clone()
            .or_else(find_programs)
            .ok_or(StartError::NoPostgres)?;
        let folder = tempfile::Builder::new()
            .prefix("cache-testkit-")
            .tempdir()
            .map_err(StartError::system("making a temporary folder"))?;
        let user = User::unprivileged();
        if let Some(user) = user {
            chown(folder.path(), Some(user.uid), Some(user.gid)).map_err(StartError::system("giving a folder away"))?;
        }
        let mut server = PostgresServer {
            process: Mutex::new(None),
            programs,
            folder,
            port: 0,
            user,
        };
        server.make_cluster()?;
        for _ in 1..PORT_ATTEMPTS {
            match self.attempt(&mut server) {
                Err(StartError::Failed { log, .. }) if log.contains(PORT_TAKEN) => {}
                done => return done.map(|()| server),
            }
        }
        self.attempt(&mut server).map(|()| server)
    }

    fn attempt(&self, server: &mut PostgresServer) -> Result<(), StartError> {
        server.port = free_port().map_err(StartError::system("finding a free port"))?;
        self.write_config(server)
            .map_err(StartError::system("writing the server's configuration"))?;
        server.launch()
    }

    fn write_config(&self, server: &PostgresServer) -> io::Result<()> {
        let mut lines = format!(
            "listen_addresses = '127.0.0.1'\nport = {}\nunix_socket_directories = ''\nfsync = off\nmax_connections = 60\n\
             shared_buffers = '32MB'\nmax_wal_senders = 4\nmax_replication_slots = 4\ndynamic_shared_memory_type = posix\n",
            server.port
        );
        let settings = self.config.iter();
        let settings = settings.map(|(name, value)| format!("{name} = '{}'\n", value.replace('\'', "''")));
        lines.extend(settings);
        fs::write(server.data().join("postgresql.conf"), lines)
    }
}

impl PostgresServer {
    /// Starts a server with the default settings.
    ///
    /// # Errors
    ///
    /// As [`PostgresServerBuilder::start`].
    pub fn start() -> Result<Self, StartError> {
        Self::builder().start()
    }

    /// Settings for a server that is not started yet.
    pub fn builder() -> PostgresServerBuilder {
        PostgresServerBuilder::default()
    }

    /// The address of the database `postgres`, for its superuser. The same after every restart.
    pub fn url(&self) -> String {
        self.url_of("postgres", "postgres")
    }

    /// The address of a database for a user, neither of which need be there yet.
    pub fn url_of(&self, user: &str, database: &str) -> String {
        format!("postgres://{user}@127.0.0.1:{}/{database}", self.port)
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Everything that the server has written so far, over all restarts.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join(LOG_FILE)).unwrap_or_default()
    }

    /// Ends the server as a crash would: connections break, and what was not committed is gone.
    pub fn kill(&self) {
        if let Some(process) = self.process().take() {
            process.end(Signal::QUIT);
        }
    }

    /// Ends the server as an administrator would who does not wait for the clients.
    pub fn stop(&self) {
        if let Some(process) = self.process().take() {
            process.end(Signal::INT);
        }
    }

    /// Starts the server again, with its data.
    ///
    /// # Errors
    ///
    /// As [`PostgresServerBuilder::start`].
    pub fn restart(&self) -> Result<(), StartError> {
        self.stop();
        self.launch()
    }

    /// Stops the server where it is, as a machine that hangs.
    pub fn pause(&self) {
        self.signal_all(Signal::STOP);
    }

    /// Lets it go on.
    pub fn resume(&self) {
        self.signal_all(Signal::CONT);
    }

    /// To the server and all who work for it.
    fn signal_all(&self, signal: Signal) {
        let process = self.process();
        let Some(process) = process.as_ref() else {
            return;
        };
        // The postmaster leads a group; each of the others has one of its own, and is its child.
        let children = fs::read_to_string(format!("/proc/{0}/task/{0}/children", process.0.pid())).unwrap_or_default();
        process.0.signal(signal);
        for pid in children
            .split_whitespace()
            .filter_map(|pid| Pid::from_raw(pid.parse().ok()?))
        {
            let _ = kill_process(pid, signal);
        }
    }

    fn process(&self) -> MutexGuard<'_, Option<Process>> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn make_cluster(&self) -> Result<(), StartError> {
        let binary = self.programs.join("initdb");
        let output = self
            .command("initdb")
            .args([
                "--no-sync",
                "--auth=trust",
                "--username=postgres",
                "--encoding=UTF8",
                "--locale=C",
                "--pgdata",
            ])
            .arg(self.data())
            .output()
            .map_err(StartError::system("running initdb"))?;
        if output.status.success() {
            return Ok(());
        }
        Err(StartError::Failed {
            binary,
            reason: format!("it ended with {}", output.status),
            log: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }

    fn launch(&self) -> Result<(), StartError> {
        let before = self.log().len();
        let mut command = self.command("postgres");
        command.arg("-D").arg(self.data());
        let (folder, log) = (self.folder.path(), self.folder.path().join(LOG_FILE));
        let watched = Watched::spawn(&mut command, folder, &log);
        let mut process = Process(watched.map_err(StartError::system("starting the server"))?);
        let deadline = Instant::now() + START;
        let reason = loop {
            if let Some(status) = process.0.ended() {
                break format!("it ended with {status}");
            }
            if answers(self.port) {
                *self.process() = Some(process);
                return Ok(());
            }
            if Instant::now() > deadline {
                break format!("no answer within {START:?}");
            }
            thread::sleep(POLL);
        };
        Err(StartError::Failed {
            binary: self.programs.join("postgres"),
            reason,
            log: self.log().split_off(before),
        })
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.programs.join(program));
        command
            .current_dir(self.folder.path())
            .env("LC_ALL", "C")
            .env("TZ", "UTC");
        if let Some(user) = self.user {
            command.uid(user.uid).gid(user.gid);
        }
        command
    }
}

/// One run of the server.
#[derive(Debug)]
struct Process(Watched);

impl Process {
    fn end(mut self, signal: Signal) {
        self.0.signal(signal);
        self.0.wait(STOP);
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It ends those who work for it, and what it shares with them.
        self.0.signal(Signal::QUIT);
        self.0.signal(Signal::CONT);
        self.0.wait(STOP);
    }
}

/// A user of the system.
#[derive(Debug, Clone, Copy)]
struct User {
    uid: u32,
    gid: u32,
}

impl User {
    /// Somebody who is not root, if this process is run by root.
    fn unprivileged() -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            return None;
        }
        let users = fs::read_to_string("/etc/passwd").ok()?;
        UNPRIVILEGED.iter().find_map(|name| Self::read(&users, name))
    }

    fn read(users: &str, name: &str) -> Option<Self> {
        let fields = users.lines().map(|line| line.split(':').collect::<Vec<_>>());
        let fields = fields.into_iter().find(|fields| fields.first() == Some(&name))?;
        Some(Self {
            uid: fields.get(2)?.parse().ok()?,
            gid: fields.get(3)?.parse().ok()?,
        })
    }
}

/// Whether a server takes connections there: asked whether it encrypts, it says yes or no; one that is starting refuses later, with an
/// error.
fn answers(port: u16) -> bool {
    const VERSION_3: u32 = 0x0003_0000;
    let ask = || -> io::Result<bool> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        stream.set_read_timeout(Some(Duration::from_secs(1)))?;
        let parameters = b"user\0postgres\0database\0postgres\0\0";
        let length = u32::try_from(8 + parameters.len()).unwrap_or_default();
        stream.write_all(&length.to_be_bytes())?;
        stream.write_all(&VERSION_3.to_be_bytes())?;
        stream.write_all(parameters)?;
        let mut kind = [0];
        stream.read_exact(&mut kind)?;
        // `R`: who asks is let in. `E`: an error, such as that it is starting up.
        Ok(kind == *b"R")
    };
    ask().unwrap_or(false)
}

/// The folder of the programs of the newest version.
fn find_programs() -> Option<PathBuf> {
    if let Some(named) = env::var_os(VARIABLE) {
        return Some(named.into());
    }
    let has_both = |folder: &Path| folder.join("initdb").is_file() && folder.join("postgres").is_file();
    let on_path = which::which("initdb")
        .ok()
        .and_then(|program| Some(program.parent()?.to_owned()));
    if let Some(folder) = on_path.filter(|folder| has_both(folder)) {
        return Some(folder);
    }
    let mut found: Vec<(u32, PathBuf)> = Vec::new();
    for (place, inside) in PLACES {
        for entry in fs::read_dir(place).into_iter().flatten().flatten() {
            let folder = entry.path().join(inside);
            if has_both(&folder) {
                let name = entry.file_name().to_string_lossy().into_owned();
                let digits: String = name.chars().filter(char::is_ascii_digit).collect();
                found.push((digits.parse().unwrap_or_default(), folder));
            }
        }
    }
    found.into_iter().max().map(|(_, folder)| folder)
}
