//! Links of documents, none of which leads nowhere: in the repository, and in the manual that rustdoc makes of `docs/`.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Component, Path, PathBuf},
};

use anyhow::{Context as _, Result};
use pulldown_cmark::{BrokenLink, Event, LinkType, Options, Parser, Tag, TagEnd};

use crate::docs;

/// The module whose pages are documents of the book.
const MANUAL: &str = "cache-runtime/src/manual.rs";
/// Where their links lead in rustdoc.
const DEFINITIONS: &str = "cache-runtime/src/manual/links.md";
/// The order of the book's pages.
const SUMMARY: &str = "docs/SUMMARY.md";
/// Where a link leads in rustdoc to what the manual has not.
const ELSEWHERE: &str = "crate::manual#in-the-repository";

#[test]
fn every_link_of_a_document_leads_somewhere() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("xtask is in the repository");
    let wrong = mistakes(root).expect("the documents can be read");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Every relative link of a document that leads to no file or heading, and every one of the manual's pages for which the manual
/// has no definition, with what to write.
fn mistakes(root: &Path) -> Result<Vec<String>> {
    let mut documents = BTreeMap::new();
    for path in docs::documents(root)? {
        let text = fs::read_to_string(&path).with_context(|| format!("{} cannot be read", path.display()))?;
        documents.insert(
            path.strip_prefix(root).unwrap_or(&path).to_owned(),
            Document::new(&text),
        );
    }
    let read = |name| fs::read_to_string(root.join(name)).with_context(|| format!("{name} cannot be read"));
    let manual = Manual::new(&read(MANUAL)?);
    let mut wrong = lead_nowhere(root, &documents);
    wrong.extend(manual.mistakes(&documents, &read(DEFINITIONS)?));
    wrong.extend(not_in_the_book(&documents));
    Ok(wrong)
}

/// What a link has to do with of a document.
#[derive(Default)]
struct Document {
    /// What each heading is called in a link.
    headings: Vec<String>,
    links: Vec<Link>,
    /// Names in brackets that look like a link to a page, and have no definition.
    undefined: Vec<String>,
}

/// A link that leads neither to another site nor to a heading of its own document.
#[derive(Debug, PartialEq, Eq)]
struct Link {
    /// As it is written.
    target: String,
    /// The name of its definition, unless the target stands in the text.
    label: Option<String>,
}

impl Document {
    fn new(markdown: &str) -> Self {
        let mut document = Self::default();
        let mut undefined = Vec::new();
        let mut heading: Option<String> = None;
        let looks_like_a_page = |link: BrokenLink<'_>| {
            if link.reference.ends_with(".md") || link.reference.contains(".md#") {
                undefined.push(link.reference.to_string());
            }
            None
        };
        let parser = Parser::new_with_broken_link_callback(markdown, Options::ENABLE_TABLES, Some(looks_like_a_page));
        for event in parser {
            match event {
                Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
                Event::End(TagEnd::Heading(_)) => {
                    let text = heading.take().unwrap_or_default();
                    document.headings.push(unlike(&document.headings, &slug(&text)));
                }
                Event::Text(text) | Event::Code(text) => {
                    if let Some(heading) = &mut heading {
                        heading.push_str(&text);
                    }
                }
                Event::Start(Tag::Link {
                    link_type,
                    dest_url,
                    id,
                    ..
                }) if !dest_url.contains("://") => {
                    document.links.push(Link {
                        target: dest_url.to_string(),
                        label: (link_type != LinkType::Inline).then(|| id.to_string()),
                    });
                }
                _ => {}
            }
        }
        document.undefined = undefined;
        document
    }
}

/// What a heading is called in a link, as the repository's pages and rustdoc both have it.
fn slug(heading: &str) -> String {
    let kept = |letter: &char| letter.is_alphanumeric() || matches!(letter, '-' | '_' | ' ');
    heading
        .to_lowercase()
        .chars()
        .filter(kept)
        .collect::<String>()
        .replace(' ', "-")
}

/// A second heading of a name has a number.
fn unlike(others: &[String], name: &str) -> String {
    let numbered = (1..).map(|number| format!("{name}-{number}"));
    let mut names = std::iter::once(name.to_owned()).chain(numbered);
    names.find(|name| !others.contains(name)).unwrap_or_default()
}

fn lead_nowhere(root: &Path, documents: &BTreeMap<PathBuf, Document>) -> Vec<String> {
    let mut wrong = Vec::new();
    for (path, document) in documents {
        let page = path.display();
        for Link { target, .. } in &document.links {
            let (file, heading) = resolve(path, target);
            if !root.join(&file).exists() {
                wrong.push(format!("{page} links to {target}, and there is no {}", file.display()));
            } else if let Some(other) = documents.get(&file)
                && heading.is_some_and(|heading| !other.headings.iter().any(|known| known == heading))
            {
                wrong.push(format!("{page} links to {target}, and there is no such heading"));
            }
        }
        let undefined = document.undefined.iter();
        wrong.extend(undefined.map(|name| format!("{page} has no definition for [{name}]; write `[{name}]: {name}`")));
    }
    wrong
}

/// Pages that the book's summary does not list, and so nobody comes to; or lists more than once.
fn not_in_the_book(documents: &BTreeMap<PathBuf, Document>) -> Vec<String> {
    let summary = Path::new(SUMMARY);
    let Some(listed) = documents.get(summary) else {
        return vec![format!("there is no {SUMMARY}")];
    };
    let times = |page: &Path| {
        listed
            .links
            .iter()
            .filter(|link| resolve(summary, &link.target).0 == page)
            .count()
    };
    let pages = documents
        .keys()
        .filter(|page| page.starts_with("docs") && *page != summary);
    let wrong = pages.filter_map(|page| match times(page) {
        1 => None,
        0 => Some(format!(
            "{SUMMARY} does not list {}: no reader of the book finds it",
            page.display()
        )),
        many => Some(format!("{SUMMARY} lists {} {many} times", page.display())),
    });
    wrong.collect()
}

/// The file of a link, from the repository's root, and the heading in it.
fn resolve<'a>(page: &Path, target: &'a str) -> (PathBuf, Option<&'a str>) {
    let (file, heading) = match target.split_once('#') {
        Some((file, heading)) => (file, Some(heading)),
        None => (target, None),
    };
    if file.is_empty() {
        return (page.to_owned(), heading);
    }
    let mut resolved = page.parent().map(Path::to_owned).unwrap_or_default();
    for component in Path::new(file).components() {
        match component {
            Component::ParentDir => {
                resolved.pop();
            }
            component => resolved.push(component),
        }
    }
    (resolved, heading)
}

/// Which module has which documents.
struct Manual(BTreeMap<PathBuf, String>);

impl Manual {
    /// Reads `page: "file.md", "file.md";` inside of `pages! { … }`, and the root.
    fn new(source: &str) -> Self {
        let mut pages = BTreeMap::from([(PathBuf::from("docs/README.md"), String::new())]);
        let listed = source.split_once("\npages! {").map_or("", |(_, listed)| listed);
        for entry in listed.split(';') {
            if let Some((module, files)) = entry.split_once(':') {
                let files = files.split('"').skip(1).step_by(2);
                pages.extend(files.map(|file| (Path::new("docs").join(file), module.trim().to_owned())));
            }
        }
        Self(pages)
    }

    fn mistakes(&self, documents: &BTreeMap<PathBuf, Document>, definitions: &str) -> Vec<String> {
        let mut wrong = Vec::new();
        let mut needed = BTreeSet::new();
        for (page, document) in documents.iter().filter(|(page, _)| self.0.contains_key(*page)) {
            for link in document.links.iter().filter(|link| !link.target.starts_with('#')) {
                let target = &link.target;
                if link.label.as_ref() == Some(target) {
                    needed.insert(format!("[{target}]: {}", self.leads_to(page, target, documents)));
                } else {
                    wrong.push(format!(
                        "{} is a page of the manual: write `[text][{target}]`, and below `[{target}]: {target}`",
                        page.display()
                    ));
                }
            }
        }
        let defined: BTreeSet<_> = definitions.lines().map(str::to_owned).collect();
        let missing = needed.difference(&defined);
        wrong.extend(missing.map(|line| format!("{DEFINITIONS} lacks the line `{line}`")));
        let unneeded = defined.difference(&needed);
        wrong.extend(unneeded.map(|line| format!("{DEFINITIONS} has a line that no page needs: `{line}`")));
        wrong
    }

    /// Where a link leads in rustdoc.
    fn leads_to(&self, page: &Path, target: &str, documents: &BTreeMap<PathBuf, Document>) -> String {
        let (file, heading) = resolve(page, target);
        let Some(module) = self.0.get(&file) else {
            return ELSEWHERE.to_owned();
        };
        let is_shared = self.0.values().filter(|other| *other == module).count() > 1;
        let first = documents.get(&file).and_then(|document| document.headings.first());
        let heading = heading.or(first.map(String::as_str).filter(|_| is_shared));
        let path = if module.is_empty() {
            "crate::manual".to_owned()
        } else {
            format!("crate::manual::{module}")
        };
        heading.map_or(path.clone(), |heading| format!("{path}#{heading}"))
    }
}

const PAGES: &str =
    "\npages! {\n    guide: \"guide.md\";\n    rules:\n        \"rules/1.md\",\n        \"rules/2.md\";\n}\n";

/// A repository of these documents, whose manual has some of them, and whose book has all if it says nothing else.
fn mistakes_of(files: &[(&str, &str)], definitions: &str) -> Result<String> {
    let root = tempfile::tempdir()?;
    let listed = |(name, _): &(&str, &str)| Some(format!("- [page]({})\n", name.strip_prefix("docs/")?));
    let summary: String = files.iter().filter_map(listed).collect();
    let others = [(MANUAL, PAGES), (DEFINITIONS, definitions), (SUMMARY, &summary)];
    for (name, text) in others.iter().chain(files) {
        let path = root.path().join(name);
        fs::create_dir_all(path.parent().context("a file has a folder")?)?;
        fs::write(path, text)?;
    }
    Ok(mistakes(root.path())?.join("\n"))
}

#[test]
fn links_that_lead_somewhere_pass() {
    let guide = "# Guide\n\n## `One` thing, said\n\nAs [above](#one-thing-said), [first][rules/1.md], [bench.md]. \
                 `[a](nowhere.md)`\n\n[rules/1.md]: rules/1.md\n[bench.md]: bench.md\n";
    let definitions = "[rules/1.md]: crate::manual::rules#one\n[bench.md]: crate::manual#in-the-repository\n";
    let documents = [
        ("README.md", "[guide](docs/guide.md#one-thing-said)"),
        ("docs/guide.md", guide),
        ("docs/rules/1.md", "# One\n"),
        ("docs/bench.md", "[guide](guide.md)"),
    ];
    assert_eq!(mistakes_of(&documents, definitions).unwrap(), "");
}

#[test]
fn a_link_to_a_file_or_a_heading_that_is_not_there_is_named() {
    let readme = "[a](docs/gone.md), [b](docs/guide.md#two), [c](#three), [docs/guide.md]\n";
    let wrong = mistakes_of(&[("README.md", readme), ("docs/guide.md", "# Guide\n## One\n")], "").unwrap();
    for part in [
        "there is no docs/gone.md",
        "links to docs/guide.md#two, and there is no such heading",
        "links to #three, and there is no such heading",
        "no definition for [docs/guide.md]",
    ] {
        assert!(wrong.contains(part), "{part}: {wrong}");
    }
}

#[test]
fn a_page_of_the_manual_links_by_definitions_that_the_manual_has() {
    let guide = "# Guide\n\n[one](rules/1.md), [two][rules/2.md]\n\n[rules/2.md]: rules/2.md\n";
    let documents = [
        ("docs/guide.md", guide),
        ("docs/rules/1.md", "# One\n"),
        ("docs/rules/2.md", "# Two\n"),
    ];
    let wrong = mistakes_of(&documents, "[old.md]: crate::manual::old\n").unwrap();
    for part in [
        "docs/guide.md is a page of the manual: write `[text][rules/1.md]`",
        "lacks the line `[rules/2.md]: crate::manual::rules#two`",
        "has a line that no page needs: `[old.md]: crate::manual::old`",
    ] {
        assert!(wrong.contains(part), "{part}: {wrong}");
    }
}

#[test]
fn a_page_that_the_book_does_not_list_or_lists_twice_is_named() {
    let documents = [
        (SUMMARY, "- [guide](guide.md)\n- [again](guide.md)\n"),
        ("docs/guide.md", "# Guide\n"),
        ("docs/rules/1.md", "# One\n"),
    ];
    let wrong = mistakes_of(&documents, "").unwrap();
    assert!(wrong.contains("docs/SUMMARY.md lists docs/guide.md 2 times"), "{wrong}");
    assert!(
        wrong.contains("docs/SUMMARY.md does not list docs/rules/1.md"),
        "{wrong}"
    );
}

#[test]
fn a_second_heading_of_a_name_has_a_number() {
    assert_eq!(
        Document::new("# One\n## Two\n## One\n## One\n").headings,
        ["one", "two", "one-1", "one-2"]
    );
}
