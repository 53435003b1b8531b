//! What was measured on.

use std::{fs, process::Command, thread};

use serde::{Deserialize, Serialize};

/// The machine and the versions of what matters on it; "unknown" where it does not say.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Machine {
    pub(crate) processor: String,
    pub(crate) cores: usize,
    pub(crate) memory: String,
    pub(crate) kernel: String,
    pub(crate) rustc: String,
    pub(crate) redis: String,
    /// Name and version.
    pub(crate) peers: Vec<String>,
}

/// Whose versions matter.
const PEERS: [&str; 8] = [
    "amalgam-cache",
    "cached",
    "deadpool-redis",
    "hitbox-fn",
    "hitbox-redis",
    "moka",
    "quick_cache",
    "redis",
];

/// What this program was built with.
const LOCK: &str = include_str!("../Cargo.lock");

impl Machine {
    pub(crate) fn this() -> Self {
        Self {
            processor: field("/proc/cpuinfo", "model name"),
            cores: thread::available_parallelism().map_or(0, Into::into),
            memory: field("/proc/meminfo", "MemTotal"),
            kernel: output("uname", &["-sr"]),
            rustc: output("rustc", &["--version"]),
            redis: output("redis-server", &["--version"]),
            peers: PEERS.map(|peer| format!("{peer} {}", version(LOCK, peer))).into(),
        }
    }
}

/// The value of the first line `name: value`.
fn field(file: &str, name: &str) -> String {
    let text = fs::read_to_string(file).unwrap_or_default();
    let value = text.lines().find_map(|line| {
        let (found, value) = line.split_once(':')?;
        (found.trim() == name).then(|| value.trim().to_owned())
    });
    value.unwrap_or_else(|| "unknown".to_owned())
}

/// The version of a package in a lock file.
fn version<'a>(lock: &'a str, package: &str) -> &'a str {
    let (_, after) = lock
        .split_once(&format!("name = \"{package}\"\nversion = \""))
        .unwrap_or_default();
    after.split_once('"').map_or("unknown", |(version, _)| version)
}

fn output(program: &str, arguments: &[&str]) -> String {
    match Command::new(program).args(arguments).output() {
        Ok(output) if output.status.success() => String::from_utf8_lossy(&output.stdout).trim().to_owned(),
        _ => "unknown".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_peer_has_a_version() {
        for peer in PEERS {
            assert_ne!(version(LOCK, peer), "unknown", "{peer}");
        }
    }
}
