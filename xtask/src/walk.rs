//! `cargo xtask docs --walk`: does what the tutorial says, in an empty folder, and compares what comes out with what it prints.

use std::{
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};

const TUTORIAL: &str = "docs/tutorial.md";
/// Ports that the page names. Free ones stand in for them.
const PORTS: [&str; 4] = ["3000", "3001", "3002", "6390"];
/// How long something that is started has until it listens: it is built first.
const PATIENCE: Duration = Duration::from_mins(10);
const POLL: Duration = Duration::from_millis(100);

/// Walks through the tutorial, and prints how long each of its steps took.
///
/// # Errors
///
/// If a command fails, or prints something else than the page does.
pub(crate) fn run(root: &Path) -> Result<()> {
    let text = fs::read_to_string(root.join(TUTORIAL)).with_context(|| format!("{TUTORIAL} cannot be read"))?;
    let folder = std::env::temp_dir().join(format!("tutorial-{}", std::process::id()));
    fs::create_dir_all(&folder)?;
    std::os::unix::fs::symlink(root, folder.join("cache"))?;
    let mut walk = Walk::new(folder.clone())?;
    let done = walk.steps(&steps(&text));
    drop(walk);
    fs::remove_dir_all(&folder)?;
    done
}

/// What the page has its reader do.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    /// A heading.
    Section(String),
    /// Write a file of the package: its path, its text.
    File(String, String),
    /// Run a command to its end, and see that it prints this.
    Run(String, String),
    /// Run a command in another terminal, where it stays.
    Keep(String),
}

/// The steps of a page: its headings, its blocks of Rust that name a file, its commands with what they print.
fn steps(markdown: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut lines = markdown.lines();
    while let Some(line) = lines.next() {
        if let Some(title) = line.strip_prefix("## ") {
            steps.push(Step::Section(title.to_owned()));
        }
        let Some(info) = line.strip_prefix("```") else { continue };
        let block: Vec<_> = lines.by_ref().take_while(|line| *line != "```").collect();
        let text = block.join("\n");
        match (info, steps.last_mut()) {
            ("sh background", _) => steps.push(Step::Keep(text)),
            ("sh", _) => steps.push(Step::Run(text, String::new())),
            ("text", Some(Step::Run(_, printed))) => *printed = text,
            _ => steps.extend(file(&block)),
        }
    }
    steps
}

/// The file that a block is the text of, without the lines that readers do not see.
fn file(block: &[&str]) -> Option<Step> {
    let path = block.first()?.strip_prefix("// src/")?;
    let seen = block
        .iter()
        .skip(1)
        .filter(|line| !line.starts_with("# ") && **line != "#");
    Some(Step::File(
        format!("src/{path}"),
        seen.copied().collect::<Vec<_>>().join("\n") + "\n",
    ))
}

/// Somebody who reads the page and does what it says.
struct Walk {
    folder: PathBuf,
    /// The ports of the page, and those that stand in for them.
    ports: Vec<(&'static str, u16)>,
    /// What runs in other terminals, with the port on which it listens.
    kept: Vec<(u16, Child)>,
    /// How long the sections took.
    times: Vec<(String, Duration)>,
}

impl Walk {
    fn new(folder: PathBuf) -> Result<Self> {
        // All at once, so that no two are the same.
        let listeners: Vec<_> = PORTS
            .iter()
            .map(|_| TcpListener::bind("127.0.0.1:0"))
            .collect::<Result<_, _>>()?;
        let free = listeners.iter().map(|listener| Ok(listener.local_addr()?.port()));
        let ports = PORTS.into_iter().zip(free.collect::<Result<Vec<_>>>()?).collect();
        Ok(Self {
            folder,
            ports,
            kept: Vec::new(),
            times: Vec::new(),
        })
    }

    fn steps(&mut self, steps: &[Step]) -> Result<()> {
        for step in steps {
            let began = Instant::now();
            match step {
                Step::Section(title) => self.times.push((title.clone(), Duration::ZERO)),
                Step::File(path, text) => self.write(path, text)?,
                Step::Run(command, printed) => self.run(command, printed)?,
                Step::Keep(command) => self.keep(command)?,
            }
            if let Some((_, time)) = self.times.last_mut() {
                *time += began.elapsed();
            }
        }
        for (title, time) in self.times.iter().filter(|(_, time)| !time.is_zero()) {
            println!("{title}: {:.1} s", time.as_secs_f64());
        }
        Ok(())
    }

    fn write(&self, path: &str, text: &str) -> Result<()> {
        fs::write(self.folder.join(path), self.with_free_ports(text))
            .with_context(|| format!("{path} cannot be written"))
    }

    fn run(&mut self, command: &str, printed: &str) -> Result<()> {
        let left = self.folder.join(".left");
        let script = format!("{}\npwd > {}", self.with_free_ports(command), left.display());
        let output = self.shell(&script).output().context("bash could not be run")?;
        let out = String::from_utf8_lossy(&output.stdout).into_owned();
        let err = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "`{command}` failed: {out}{err}");
        let missing = missing(printed, &out);
        ensure!(
            missing.is_none(),
            "`{command}` does not print `{}`, but: {out}",
            missing.unwrap_or_default()
        );
        // What `cd` did holds for what follows.
        let folder = fs::read_to_string(&left)?;
        fs::remove_file(&left)?;
        self.folder = PathBuf::from(folder.trim());
        Ok(())
    }

    /// Starts a command, and waits until it listens. What listens there already is stopped, as its reader was told to.
    fn keep(&mut self, command: &str) -> Result<()> {
        let named = PORTS
            .iter()
            .rev()
            .find(|port| command.contains(*port) && !command.contains(&format!(":{port}")));
        let port = self.free(named.unwrap_or(&PORTS[0]));
        if let Some(index) = self.kept.iter().position(|(other, _)| *other == port) {
            end(&mut self.kept.remove(index).1);
        }
        let script = format!("exec env {}", self.with_free_ports(command));
        let child = self
            .shell(&script)
            .stdout(Stdio::null())
            .spawn()
            .context("bash could not be run")?;
        self.kept.push((port, child));
        let began = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            let (_, child) = self.kept.last_mut().context("it was just started")?;
            let ended = child.try_wait()?;
            ensure!(ended.is_none(), "`{command}` ended");
            ensure!(began.elapsed() < PATIENCE, "`{command}` does not listen");
            sleep(POLL);
        }
        Ok(())
    }

    fn shell(&self, script: &str) -> Command {
        let mut command = Command::new("bash");
        command.args(["-euc", script]).current_dir(&self.folder);
        // Of the cargo that runs this, and nothing of a reader's.
        for variable in [
            "CARGO_TARGET_DIR",
            "CARGO",
            "RUSTUP_TOOLCHAIN",
            "RUSTFLAGS",
            "REDIS_URL",
        ] {
            command.env_remove(variable);
        }
        command
    }

    fn free(&self, named: &str) -> u16 {
        let found = self.ports.iter().find(|(port, _)| *port == named);
        found.map_or(0, |(_, free)| *free)
    }

    fn with_free_ports(&self, text: &str) -> String {
        let replace = |text: String, (port, free): &(&str, u16)| text.replace(port, &free.to_string());
        self.ports.iter().fold(text.to_owned(), replace)
    }
}

impl Drop for Walk {
    fn drop(&mut self) {
        for (_, child) in &mut self.kept {
            end(child);
        }
    }
}

/// Ends a command. `cargo run` is ended with what it runs, which it has started as its child.
fn end(child: &mut Child) {
    let id = child.id().to_string();
    drop(Command::new("pkill").args(["-P", &id]).status());
    drop(child.kill());
    drop(child.wait());
}

/// The first line of the page that does not come, in its place, in what was printed. `…` is anything.
fn missing(expected: &str, printed: &str) -> Option<String> {
    let mut lines = printed.lines();
    let absent = |line: &&str| !lines.any(|printed| matches(line, printed));
    expected.lines().find(absent).map(str::to_owned)
}

fn matches(pattern: &str, line: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('…') else {
        return pattern == line;
    };
    let end = rest.rsplit('…').next().unwrap_or_default();
    line.strip_prefix(start).is_some_and(|line| line.ends_with(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_taken_apart_into_files_commands_and_what_they_print() {
        let page = "## One\n```rust,no_run\n// src/main.rs\n# hidden\nfn main() {}\n```\n```sh\nls\n```\nso:\n```text\na\n```\n\
                    ```sh background\ncargo run\n```\n```rust\nfn no_file() {}\n```\n";
        let expected = [
            Step::Section("One".to_owned()),
            Step::File("src/main.rs".to_owned(), "fn main() {}\n".to_owned()),
            Step::Run("ls".to_owned(), "a".to_owned()),
            Step::Keep("cargo run".to_owned()),
        ];
        assert_eq!(steps(page), expected);
    }

    #[test]
    fn what_is_not_printed_is_named() {
        assert_eq!(missing("a\n0.2… s", "a\n0.213 s\n"), None);
        assert_eq!(missing("a\nb", "b\na\n"), Some("b".to_owned()));
        assert_eq!(
            missing("x-cache: hit…", "x-cache: miss\n"),
            Some("x-cache: hit…".to_owned())
        );
    }
}
