//! `cargo xtask setup`: installs a Redis or Valkey server with the system's package manager.

use std::process::Command;

use anyhow::{Context as _, Result, bail};

/// The programs that serve the tests, the preferred one first.
const SERVERS: [&str; 2] = ["redis-server", "valkey-server"];

/// How one package manager installs a server.
struct Manager {
    program: &'static str,
    /// Run before the first installation.
    refresh: Option<&'static [&'static str]>,
    install: &'static [&'static str],
    /// Packages that bring a server, the preferred one first: distributions differ in which of the two they carry.
    packages: &'static [&'static str],
    needs_root: bool,
}

const MANAGERS: [Manager; 5] = [
    Manager {
        program: "apt-get",
        refresh: Some(&["update"]),
        install: &["install", "--yes", "--no-install-recommends"],
        packages: &["redis-server", "valkey-server"],
        needs_root: true,
    },
    Manager {
        program: "dnf",
        refresh: None,
        install: &["install", "--assumeyes"],
        packages: &["redis", "valkey"],
        needs_root: true,
    },
    Manager {
        program: "apk",
        refresh: None,
        install: &["add", "--no-cache"],
        packages: &["redis", "valkey"],
        needs_root: true,
    },
    Manager {
        program: "pacman",
        refresh: None,
        install: &["--sync", "--refresh", "--noconfirm"],
        packages: &["valkey", "redis"],
        needs_root: true,
    },
    Manager {
        program: "brew",
        refresh: None,
        install: &["install"],
        packages: &["redis", "valkey"],
        needs_root: false,
    },
];

/// Installs what is missing, and says what it does.
///
/// # Errors
///
/// If there is no package manager that this command knows, or if none of its packages brought a server.
pub(crate) fn run() -> Result<()> {
    if let Some(server) = installed_server() {
        println!("setup: {server} is installed, nothing to do");
        return Ok(());
    }
    let Some(manager) = MANAGERS.iter().find(|manager| which::which(manager.program).is_ok()) else {
        let known = MANAGERS.map(|manager| manager.program).join(", ");
        bail!(
            "the tests need {}, and none of {known} is here to install it: install it by hand",
            SERVERS.join(" or ")
        );
    };
    if let Some(refresh) = manager.refresh
        && let Err(error) = manager.call(refresh)
    {
        // A stale package list is often good enough; if it is not, the installation says so.
        println!("setup: {error:#}; going on");
    }
    for package in manager.packages {
        let installed = manager.call(&[manager.install, &[*package]].concat());
        match (installed, installed_server()) {
            (Ok(()), Some(server)) => {
                println!("setup: installed {server}");
                return Ok(());
            }
            (Ok(()), None) => println!("setup: the package {package} brought no server"),
            (Err(error), _) => println!("setup: {error:#}"),
        }
    }
    bail!(
        "{} could not install {}: install it by hand",
        manager.program,
        SERVERS.join(" or ")
    )
}

fn installed_server() -> Option<&'static str> {
    SERVERS.into_iter().find(|server| which::which(server).is_ok())
}

impl Manager {
    fn call(&self, arguments: &[&str]) -> Result<()> {
        let mut words = vec![self.program];
        if self.needs_root && !is_root() {
            words.insert(0, "sudo");
        }
        words.extend(arguments);
        let line = words.join(" ");
        println!("setup: {line}");
        let status = Command::new(words[0])
            .args(&words[1..])
            .env("DEBIAN_FRONTEND", "noninteractive")
            .status()
            .with_context(|| format!("`{line}` could not be run"))?;
        if !status.success() {
            bail!("`{line}` failed ({status})");
        }
        Ok(())
    }
}

fn is_root() -> bool {
    Command::new("id")
        .arg("-u")
        .output()
        .is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}
