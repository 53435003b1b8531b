use std::{path::Path, process::Command};

use anyhow::{Context as _, Result, ensure};
use serde::{Deserialize, Serialize};

/// What decides, beside the code, how many instructions something takes.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Toolchain {
    rustc: String,
    /// It allocates and copies.
    libc: String,
    /// It decides which instructions of the processor a program is told of.
    valgrind: String,
}

impl Toolchain {
    /// The one of this machine.
    pub(super) fn here(root: &Path) -> Result<Self> {
        let rustc = first_line(Command::new("rustc").arg("--version").current_dir(root))?;
        let libc = first_line(Command::new("getconf").arg("GNU_LIBC_VERSION"));
        Ok(Self {
            rustc: format!("{rustc} on {}", std::env::consts::ARCH),
            libc: libc.unwrap_or_else(|_| "another libc".to_owned()),
            valgrind: first_line(Command::new("valgrind").arg("--version"))?,
        })
    }

    /// What is another one `here` than it was for the committed counts, which then say nothing.
    pub(super) fn difference(&self, here: &Self) -> Option<String> {
        let parts = [
            (&self.rustc, &here.rustc),
            (&self.libc, &here.libc),
            (&self.valgrind, &here.valgrind),
        ];
        let (then, now) = parts.into_iter().find(|(then, now)| then != now)?;
        Some(format!(
            "the committed counts were taken with {then}, and this is {now}"
        ))
    }
}

fn first_line(command: &mut Command) -> Result<String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command
        .output()
        .with_context(|| format!("{program} could not be run"))?;
    ensure!(output.status.success(), "{program} does not say its version");
    let text = String::from_utf8_lossy(&output.stdout);
    Ok(text.lines().next().unwrap_or_default().trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn toolchain(libc: &str) -> Toolchain {
        Toolchain {
            rustc: "rustc 1.95.0 on x86_64".to_owned(),
            libc: libc.to_owned(),
            valgrind: "valgrind-3.19.0".to_owned(),
        }
    }

    #[test]
    fn the_same_toolchain_makes_no_difference() {
        assert_eq!(toolchain("glibc 2.36").difference(&toolchain("glibc 2.36")), None);
    }

    #[test]
    fn another_one_is_named() {
        assert_eq!(
            toolchain("glibc 2.36").difference(&toolchain("glibc 2.39")).as_deref(),
            Some("the committed counts were taken with glibc 2.36, and this is glibc 2.39")
        );
    }
}
