//! `cargo xtask setup`: installs what the tests need with the system's package manager.

use std::process::Command;

use anyhow::{Context as _, Result, bail};

/// What the tests need. The first of the programs that is there serves; the first of the packages that brings one is
/// installed.
struct Need {
    programs: &'static [&'static str],
    packages: fn(&Manager) -> &'static [&'static str],
    /// What the tests leave out without it; `None` if they cannot do without.
    otherwise: Option<&'static str>,
}

const NEEDS: [Need; 2] = [
    Need {
        programs: &["redis-server", "valkey-server"],
        packages: |manager| manager.servers,
        otherwise: None,
    },
    Need {
        programs: &["valgrind"],
        packages: |_| &["valgrind"],
        otherwise: Some("instructions are not counted"),
    },
];

/// How one package manager installs a package.
struct Manager {
    program: &'static str,
    /// Run before the first installation.
    refresh: Option<&'static [&'static str]>,
    install: &'static [&'static str],
    /// Packages that bring a server, the preferred one first: distributions differ in which of the two they carry.
    servers: &'static [&'static str],
    needs_root: bool,
}

const MANAGERS: [Manager; 5] = [
    Manager {
        program: "apt-get",
        refresh: Some(&["update"]),
        install: &["install", "--yes", "--no-install-recommends"],
        servers: &["redis-server", "valkey-server"],
        needs_root: true,
    },
    Manager {
        program: "dnf",
        refresh: None,
        install: &["install", "--assumeyes"],
        servers: &["redis", "valkey"],
        needs_root: true,
    },
    Manager {
        program: "apk",
        refresh: None,
        install: &["add", "--no-cache"],
        servers: &["redis", "valkey"],
        needs_root: true,
    },
    Manager {
        program: "pacman",
        refresh: None,
        install: &["--sync", "--refresh", "--noconfirm"],
        servers: &["valkey", "redis"],
        needs_root: true,
    },
    Manager {
        program: "brew",
        refresh: None,
        install: &["install"],
        servers: &["redis", "valkey"],
        needs_root: false,
    },
];

/// Installs what is missing, and says what it does.
///
/// # Errors
///
/// If something is missing that the tests cannot do without, and there is no package manager that this command knows, or
/// none of its packages brought it.
pub(crate) fn run() -> Result<()> {
    let mut missing = Vec::new();
    for need in &NEEDS {
        match need.installed() {
            Some(program) => println!("setup: {program} is installed, nothing to do"),
            None => missing.push(need),
        }
    }
    let Some(first) = missing.first() else { return Ok(()) };
    let manager = MANAGERS.iter().find(|manager| which::which(manager.program).is_ok());
    if let Some(manager) = manager {
        manager.refresh();
    } else {
        let known = MANAGERS.map(|manager| manager.program).join(", ");
        println!("setup: none of {known} is here to install {}", first.name());
    }
    for need in missing {
        if let Some(program) = manager.and_then(|manager| manager.install(need)) {
            println!("setup: installed {program}");
        } else if let Some(otherwise) = need.otherwise {
            println!("setup: {} is not here: {otherwise}", need.name());
        } else {
            bail!("the tests need {}: install it by hand", need.name());
        }
    }
    Ok(())
}

impl Need {
    fn name(&self) -> String {
        self.programs.join(" or ")
    }

    fn installed(&self) -> Option<&'static str> {
        self.programs
            .iter()
            .copied()
            .find(|program| which::which(program).is_ok())
    }
}

impl Manager {
    fn refresh(&self) {
        if let Some(Err(error)) = self.refresh.map(|refresh| self.call(refresh)) {
            // A stale package list is often good enough; if it is not, the installation says so.
            println!("setup: {error:#}; going on");
        }
    }

    /// Tries one package after the other, and returns the program that one of them brought.
    fn install(&self, need: &Need) -> Option<&'static str> {
        for package in (need.packages)(self) {
            match (self.call(&[self.install, &[*package]].concat()), need.installed()) {
                (Ok(()), Some(program)) => return Some(program),
                (Ok(()), None) => println!("setup: the package {package} did not bring {}", need.name()),
                (Err(error), _) => println!("setup: {error:#}"),
            }
        }
        None
    }

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
