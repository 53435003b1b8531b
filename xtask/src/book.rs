//! `cargo xtask docs`: the book, built of `docs/` by mdBook, and the simulator in it, looked at in a browser.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Component, Path, PathBuf},
    process::{Command, ExitCode},
};

use anyhow::{Context as _, Result, bail, ensure};

use crate::{
    docs, setup,
    steps::{Steps, execute},
    walk,
};

/// Where the book is built.
const BOOK: &str = "target/book";
/// How long a browser has for a page that looks at itself.
const PATIENCE_MS: u32 = 120_000;

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Open the book in a browser when it is built.
    #[arg(long)]
    open: bool,
    /// Do all that the tutorial says, in an empty folder, and print how long each of its steps took.
    #[arg(long)]
    walk: bool,
}

/// Builds the book and checks it.
pub(crate) fn run(root: &Path, options: &Options) -> ExitCode {
    let mut steps = Steps::default();
    steps.run("setup", || setup::run_for(root, &["mdbook", "chromium"]));
    steps.run("documents are compiled", || docs::check(root));
    check(root, &mut steps);
    if options.walk {
        steps.run("tutorial", || walk::run(root));
    }
    if options.open {
        steps.run("open", || open(root));
    }
    steps.finish()
}

/// The steps of the suite: the book, and the simulator. Each is skipped where the program is missing that it needs.
pub(crate) fn check(root: &Path, steps: &mut Steps) {
    match setup::tool(root, "mdbook") {
        Some(mdbook) => steps.run("book", || build(root, &mdbook)),
        None => steps.skip("book", "mdbook is not installed, and setup could not install it"),
    }
    match setup::browser() {
        Some(browser) => steps.run("simulator", || simulator(root, &browser)),
        None => steps.skip("simulator", "there is no Chromium, and setup could not install one"),
    }
}

/// Builds the book; a warning of mdBook's is an error, and so is a link that leads nowhere.
fn build(root: &Path, mdbook: &Path) -> Result<()> {
    let output = Command::new(mdbook)
        .args(["build", "docs"])
        .current_dir(root)
        .output()
        .context("mdbook could not be run")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "mdbook ended with {}: {said}", output.status);
    let complaints: Vec<_> = said.lines().filter(|line| is_complaint(line)).collect();
    ensure!(complaints.is_empty(), "{}", complaints.join("; "));
    let book = root.join(BOOK);
    let pages = Pages::read(&book)?;
    let wrong = pages.mistakes(&book);
    ensure!(wrong.is_empty(), "{}", wrong.join("; "));
    println!("{} pages in {BOOK}, every link leads somewhere", pages.0.len());
    Ok(())
}

fn is_complaint(line: &str) -> bool {
    line.split_whitespace().any(|word| matches!(word, "WARN" | "ERROR"))
}

/// The pages of a book as it was built, by their paths in it.
struct Pages(BTreeMap<PathBuf, Page>);

struct Page {
    /// What can be linked to in it.
    anchors: BTreeSet<String>,
    /// Where it links to, as it is written.
    links: BTreeSet<String>,
}

impl Pages {
    fn read(book: &Path) -> Result<Self> {
        let mut pages = BTreeMap::new();
        let mut folders = vec![book.to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).with_context(|| format!("{} cannot be read", folder.display()))? {
                let path = entry?.path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|extension| extension == "html") {
                    let text = fs::read_to_string(&path)?;
                    pages.insert(path.strip_prefix(book)?.to_owned(), Page::new(&text));
                }
            }
        }
        Ok(Self(pages))
    }

    /// The links that lead to nothing.
    fn mistakes(&self, book: &Path) -> Vec<String> {
        let mut wrong = Vec::new();
        for (path, page) in &self.0 {
            for link in page.links.iter().filter(|link| !leads_out(link)) {
                let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
                let target = if file.is_empty() {
                    path.clone()
                } else {
                    beside(path, file)
                };
                let is_there = match self.0.get(&target) {
                    Some(page) => anchor.is_empty() || page.anchors.contains(anchor) || !has_headings(&target),
                    None => book.join(&target).exists(),
                };
                if !is_there {
                    wrong.push(format!("{} links to {link}, which leads nowhere", path.display()));
                }
            }
        }
        wrong
    }
}

impl Page {
    fn new(html: &str) -> Self {
        Self {
            anchors: values(html, " id=\"").collect(),
            links: values(html, " href=\"").chain(values(html, " src=\"")).collect(),
        }
    }
}

/// What stands in an attribute, wherever it is given.
fn values<'a>(html: &'a str, attribute: &'a str) -> impl Iterator<Item = String> + 'a {
    let given = html.split(attribute).skip(1);
    given.filter_map(|rest| rest.split_once('"').map(|(value, _)| value.replace("&amp;", "&")))
}

fn leads_out(link: &str) -> bool {
    link.contains("://") || link.starts_with("mailto:") || link.starts_with("data:") || link.starts_with("javascript:")
}

/// What follows `#` is an anchor on a page of the book; a program in it makes of it what it likes.
fn has_headings(page: &Path) -> bool {
    !page.starts_with("simulator")
}

fn beside(page: &Path, file: &str) -> PathBuf {
    let mut target = page.parent().map(Path::to_owned).unwrap_or_default();
    for component in Path::new(file).components() {
        match component {
            Component::ParentDir => {
                target.pop();
            }
            component => target.push(component),
        }
    }
    target
}

/// Lets the simulator look at itself, in a browser without a window.
fn simulator(root: &Path, browser: &Path) -> Result<()> {
    let page = root.join("docs/simulator/index.html");
    let report = self_test(browser, &format!("file://{}#self-test", page.display()))?;
    let failed: Vec<_> = report.lines().filter(|line| line.starts_with("FAILED")).collect();
    let last = report.lines().last().unwrap_or_default();
    ensure!(
        failed.is_empty() && last.ends_with(" 0 failed"),
        "{last}: {}",
        failed.join("; ")
    );
    println!("{last}: {}", report.lines().next().unwrap_or_default());
    Ok(())
}

/// What a page writes into its element `self-test`.
fn self_test(browser: &Path, address: &str) -> Result<String> {
    let profile = std::env::temp_dir().join(format!("xtask-browser-{}", std::process::id()));
    let mut command = Command::new(browser);
    command
        .args(["--headless", "--disable-gpu", "--disable-quic", "--no-first-run"])
        .args([
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
        ])
        .arg(format!("--user-data-dir={}", profile.display()))
        .arg(format!("--timeout={PATIENCE_MS}"));
    if setup::is_root() {
        // Chromium does not run as root with its sandbox; the page is our own.
        command.arg("--no-sandbox");
    }
    let output = command
        .args(["--dump-dom", address])
        .output()
        .context("the browser could not be run")?;
    // A profile that stays is litter and no failure.
    drop(fs::remove_dir_all(&profile));
    let page = String::from_utf8_lossy(&output.stdout);
    match element(&page, "self-test") {
        Some(report) => Ok(report.to_owned()),
        None => bail!(
            "the page did not look at itself: {}",
            String::from_utf8_lossy(&output.stderr)
        ),
    }
}

/// The text of a `pre` by its id, if there is any.
fn element<'a>(page: &'a str, id: &str) -> Option<&'a str> {
    let (_, rest) = page.split_once(&format!("<pre id=\"{id}\""))?;
    let (_, rest) = rest.split_once('>')?;
    let (text, _) = rest.split_once("</pre>")?;
    Some(text).filter(|text| !text.is_empty())
}

fn open(root: &Path) -> Result<()> {
    let program = ["xdg-open", "open", "start"]
        .into_iter()
        .find(|name| which::which(name).is_ok());
    let program = program.context("there is nothing here to open a page with")?;
    execute(Command::new(program).arg(root.join(BOOK).join("index.html")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mistakes_of(files: &[(&str, &str)]) -> String {
        let book = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = book.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        Pages::read(book.path()).unwrap().mistakes(book.path()).join("\n")
    }

    #[test]
    fn links_of_built_pages_that_lead_somewhere_pass() {
        let page = "<h1 id=\"one\"></h1><a href=\"#one\"></a><a href=\"rules/a.html#two\"></a><img src=\"a.svg\">\
                    <a href=\"https://redis.io\"></a>";
        let files = [
            ("index.html", page),
            ("rules/a.html", "<h2 id=\"two\"></h2><a href=\"../index.html#one\"></a>"),
            ("a.svg", ""),
        ];
        assert_eq!(mistakes_of(&files), "");
    }

    #[test]
    fn links_of_built_pages_that_lead_nowhere_are_named() {
        let page = "<a href=\"#one\"></a><a href=\"b.html\"></a><a href=\"c.html#two\"></a><img src=\"a.svg\">";
        let wrong = mistakes_of(&[("index.html", page), ("c.html", "")]);
        for link in ["#one", "b.html", "c.html#two", "a.svg"] {
            assert!(
                wrong.contains(&format!("index.html links to {link}, ")),
                "{link}: {wrong}"
            );
        }
    }

    #[test]
    fn a_warning_of_mdbook_is_told_from_what_it_does() {
        assert!(is_complaint(" WARN unclosed HTML tag in guide.md"));
        assert!(is_complaint("ERROR Failed to read docs/guide.md"));
        assert!(!is_complaint(" INFO Book building has started"));
    }

    #[test]
    fn a_page_that_did_not_look_at_itself_has_no_report() {
        assert_eq!(element("<pre id=\"self-test\" hidden=\"\"></pre>", "self-test"), None);
        assert_eq!(
            element("<pre id=\"self-test\">1 passed</pre>", "self-test"),
            Some("1 passed")
        );
    }
}
