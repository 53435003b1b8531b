use std::{collections::BTreeMap, fs, path::Path, process::Command};

use anyhow::{Context as _, Result, ensure};

/// What the first line of a file begins with: the toolchain follows.
const HEADER: &str = "# `cargo xtask api --update` has written this with ";

/// Traits that every compiler is free to add and to rename.
const INTERNAL: [&str; 3] = ["Freeze", "StructuralPartialEq", "UnsafeUnpin"];

/// The public interface of a crate, an item a line.
#[derive(Debug)]
pub(super) struct Listing {
    /// The Rust with which it was made.
    pub(super) toolchain: String,
    items: Vec<String>,
}

impl Listing {
    /// Makes one of what rustdoc says.
    pub(super) fn make(lister: &Path, json: &Path, toolchain: &str) -> Result<Self> {
        let output = Command::new(lister).arg(json).output().context("no lister")?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout)?;
        let name = json.file_stem().unwrap_or_default().to_string_lossy();
        let items = text.lines().filter(|item| !is_internal(item));
        Ok(Self {
            toolchain: toolchain.to_owned(),
            items: items.map(|item| in_short(item, &name)).collect(),
        })
    }

    pub(super) fn read(file: &Path) -> Result<Self> {
        let text = fs::read_to_string(file).with_context(|| format!("{} cannot be read", file.display()))?;
        Self::parse(&text).with_context(|| format!("{} does not say what has written it", file.display()))
    }

    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        let toolchain = lines.next()?.strip_prefix(HEADER)?;
        Some(Self {
            toolchain: toolchain.to_owned(),
            items: lines.map(str::to_owned).collect(),
        })
    }

    pub(super) fn write(&self, file: &Path) -> Result<()> {
        let text = format!("{HEADER}{}\n{}\n", self.toolchain, self.items.join("\n"));
        fs::write(file, text).with_context(|| format!("{} cannot be written", file.display()))
    }

    /// What is not there any more (`-`) and what is new (`+`), in the order of the items.
    pub(super) fn differences(&self, now: &Self) -> Vec<String> {
        // Several impls may read the same.
        let mut counts = BTreeMap::<&str, i32>::new();
        for item in &self.items {
            *counts.entry(item).or_default() -= 1;
        }
        for item in &now.items {
            *counts.entry(item).or_default() += 1;
        }
        let differences = counts.into_iter().filter(|&(_, count)| count != 0);
        differences
            .map(|(item, count)| format!("{} {item}", if count < 0 { '-' } else { '+' }))
            .collect()
    }
}

fn is_internal(item: &str) -> bool {
    let implemented = item.split_once("core::marker::").map(|(_, rest)| rest);
    implemented.is_some_and(|rest| {
        INTERNAL
            .iter()
            .any(|name| rest.strip_prefix(name).is_some_and(|rest| rest.starts_with(" for ")))
    })
}

/// An item of a crate, in which what other crates have is told by the crate and the name. rustdoc tells of the module, too, in
/// which it is defined, which is often a private one.
fn in_short(item: &str, of: &str) -> String {
    let mut short = String::with_capacity(item.len());
    let mut rest = item;
    while !rest.is_empty() {
        let is_path = |c: char| c.is_alphanumeric() || matches!(c, '_' | ':');
        let path_begins = rest.find(is_path).unwrap_or(rest.len());
        let (between, path) = rest.split_at(path_begins);
        let path_ends = path.find(|c| !is_path(c)).unwrap_or(path.len());
        let (path, after) = path.split_at(path_ends);
        short += between;
        short += &shortened(path, of);
        rest = after;
    }
    short
}

fn shortened(path: &str, of: &str) -> String {
    let is_crate = |name: &str| name.starts_with(|c: char| c.is_ascii_lowercase());
    let is_elsewhere = |name: &str| is_crate(name) && name != of && !["alloc", "core", "std"].contains(&name);
    match (path.split_once("::"), path.rsplit_once("::")) {
        (Some((name, _)), Some((_, last))) if is_elsewhere(name) && !last.is_empty() => format!("{name}::{last}"),
        _ => path.to_owned(),
    }
}

/// The Rust of this machine, without what does not change what it tells.
pub(super) fn toolchain(root: &Path) -> Result<String> {
    let output = Command::new("rustc")
        .arg("--version")
        .current_dir(root)
        .output()
        .context("rustc could not be run")?;
    minor(&String::from_utf8_lossy(&output.stdout)).context("rustc does not say its version")
}

/// `Rust 1.95` of `rustc 1.95.0 (59807616e 2026-04-14)`.
fn minor(said: &str) -> Option<String> {
    let version = said.strip_prefix("rustc ")?.split(' ').next()?;
    let (minor, _patch) = version.rsplit_once('.')?;
    Some(format!("Rust {minor}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listing(items: &str) -> Listing {
        Listing::parse(&format!("{HEADER}Rust 1.95\n{items}")).unwrap()
    }

    #[test]
    fn what_is_gone_and_what_is_new_are_differences() {
        let (then, now) = (listing("pub fn a()\npub fn b()\n"), listing("pub fn b()\npub fn c()\n"));
        assert_eq!(then.differences(&now), ["- pub fn a()", "+ pub fn c()"]);
    }

    #[test]
    fn one_of_two_items_that_read_the_same_can_be_missing() {
        let (then, now) = (listing("impl A\nimpl A\n"), listing("impl A\n"));
        assert_eq!(then.differences(&now), ["- impl A"]);
        assert!(then.differences(&then).is_empty());
    }

    #[test]
    fn what_was_written_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("public-api.txt");
        let written = listing("pub fn a()\n");
        written.write(&file).unwrap();
        let read = Listing::read(&file).unwrap();
        assert_eq!(read.toolchain, "Rust 1.95");
        assert!(read.differences(&written).is_empty());
    }

    #[test]
    fn what_compilers_are_free_to_change_is_not_listed() {
        assert!(is_internal("impl core::marker::Freeze for a::B"));
        assert!(is_internal("impl !core::marker::UnsafeUnpin for a::B"));
        assert!(!is_internal("impl core::marker::Send for a::B"));
        assert!(!is_internal("pub fn a::freeze()"));
    }

    #[test]
    fn where_other_crates_define_something_is_not_listed() {
        let item =
            "pub fn a::b::C::d(&self, tokio::time::instant::Instant) -> core::option::Option<bytes::bytes::Bytes>";
        assert_eq!(
            in_short(item, "a"),
            "pub fn a::b::C::d(&self, tokio::Instant) -> core::option::Option<bytes::Bytes>"
        );
        assert_eq!(
            in_short("impl<'a> a::B for &'a e::F: G", "a"),
            "impl<'a> a::B for &'a e::F: G"
        );
    }

    #[test]
    fn patches_of_a_compiler_tell_the_same() {
        assert_eq!(
            minor("rustc 1.95.0 (59807616e 2026-04-14)").as_deref(),
            Some("Rust 1.95")
        );
        assert_eq!(minor("rustc 1.95.1").as_deref(), Some("Rust 1.95"));
    }
}
