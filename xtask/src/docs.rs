//! Finds documents whose Rust blocks nobody compiles.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};

/// The file whose doc tests are the repository's documents.
const DOCTESTS: &str = "cache-testkit/src/documents.rs";

/// Checks that each document with a Rust block is compiled as a doc test, and that no block opts out of it.
///
/// # Errors
///
/// Names every document and line that is not compiled.
pub(crate) fn check(root: &Path) -> Result<()> {
    let doctests = fs::read_to_string(root.join(DOCTESTS)).with_context(|| format!("{DOCTESTS} cannot be read"))?;
    let mut wrong = Vec::new();
    let mut compiled = 0_usize;
    for document in documents(root)? {
        let name = document.strip_prefix(root).unwrap_or(&document).display().to_string();
        let text = fs::read_to_string(&document).with_context(|| format!("{name} cannot be read"))?;
        let blocks = rust_blocks(&text);
        let included = doctests.contains(&format!("\"../../{name}\""));
        if !included && !blocks.is_empty() {
            wrong.push(format!("{name} has Rust blocks, but {DOCTESTS} does not include it"));
        }
        for block in blocks {
            compiled += 1;
            if block.ignored {
                wrong.push(format!(
                    "{name}:{} is marked `ignore`: hide what it needs behind `# ` instead",
                    block.line
                ));
            }
        }
    }
    if wrong.is_empty() {
        println!("{compiled} Rust blocks are compiled");
        return Ok(());
    }
    bail!("{}", wrong.join("; "))
}

/// The documents that stand alone, and the book.
pub(crate) fn documents(root: &Path) -> Result<Vec<PathBuf>> {
    const ALONE: [&str; 6] = [
        "README.md",
        "CONTRIBUTING.md",
        "CHANGELOG.md",
        "cache-macros/README.md",
        "cache-runtime/README.md",
        "cache-testkit/README.md",
    ];
    let mut found: Vec<_> = ALONE.map(|name| root.join(name)).into();
    found.retain(|document| document.exists());
    let mut folders = vec![root.join("docs")];
    while let Some(folder) = folders.pop().filter(|folder| folder.exists()) {
        let unreadable = || format!("{} cannot be read", folder.display());
        for entry in fs::read_dir(&folder).with_context(unreadable)? {
            let path = entry.with_context(unreadable)?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

/// The opening fence of a block that rustdoc takes for Rust.
#[derive(Debug, PartialEq, Eq)]
struct Block {
    line: usize,
    ignored: bool,
}

fn rust_blocks(markdown: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open = false;
    for (index, line) in markdown.lines().enumerate() {
        let Some(info) = line.trim_start().strip_prefix("```") else {
            continue;
        };
        open = !open;
        if open {
            let words: Vec<_> = info.split([',', ' ']).filter(|word| !word.is_empty()).collect();
            if words.first().is_none_or(|language| *language == "rust") {
                blocks.push(Block {
                    line: index + 1,
                    ignored: words.contains(&"ignore"),
                });
            }
        }
    }
    blocks
}

#[cfg(test)]
mod tests {
    use super::*;

    fn repository(doctests: &str, readme: &str) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        let module = root.path().join(DOCTESTS);
        fs::create_dir_all(module.parent().unwrap()).unwrap();
        fs::write(module, doctests).unwrap();
        fs::write(root.path().join("README.md"), readme).unwrap();
        root
    }

    const INCLUDES: &str = "#[doc = include_str!(\"../../README.md\")] struct Readme;";

    #[test]
    fn a_document_that_is_compiled_passes() {
        let root = repository(INCLUDES, "```rust\nfn f() {}\n```\n\n```sh\nls\n```\n");
        check(root.path()).unwrap();
    }

    #[test]
    fn a_document_that_nobody_compiles_is_named() {
        let root = repository("", "```rust\nfn f() {}\n```\n");
        let error = check(root.path()).unwrap_err().to_string();
        assert!(error.contains("README.md has Rust blocks"), "{error}");
    }

    #[test]
    fn a_block_that_opts_out_is_named_with_its_line() {
        let root = repository(INCLUDES, "Text.\n\n```rust,ignore\nfn f() {}\n```\n");
        let error = check(root.path()).unwrap_err().to_string();
        assert!(error.contains("README.md:3"), "{error}");
    }

    #[test]
    fn a_block_without_a_language_is_rust() {
        assert_eq!(
            rust_blocks("```\nfn f() {}\n```\n"),
            [Block {
                line: 1,
                ignored: false
            }]
        );
        assert_eq!(rust_blocks("```text\nplain\n```\n"), []);
    }
}
