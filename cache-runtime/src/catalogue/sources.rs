//! Functions in sources that write to a database. What has no attribute is in no catalogue, so its text is looked at.
//!
//! A hint: tokens are looked at, and no types. A call is the name of a function in another one's body.

use std::{
    collections::{HashMap, HashSet},
    fs, io, mem,
    path::{Path, PathBuf},
};

use proc_macro2::{Delimiter, Ident, TokenStream, TokenTree};

use super::{Catalogue, Finding, FindingKind, Place, Write, lint::written, sql};

/// Folders in which nothing runs in production.
const TESTS: [&str; 3] = ["tests", "benches", "target"];

/// The functions in the Rust sources of a folder, but for those of tests.
#[derive(Debug, Default)]
pub struct Sources {
    functions: Vec<Function>,
}

/// Why sources were not read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// The folder or a file in it cannot be read.
    #[error("{} cannot be read: {cause}", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
    /// A file is no Rust, not even as far as its brackets and quotes are concerned.
    #[error("{} is no Rust: {message}", path.display())]
    NoRust {
        /// Which.
        path: PathBuf,
        /// What is wrong, and where.
        message: String,
    },
}

/// A function, as far as its tokens tell.
#[derive(Debug)]
struct Function {
    place: Place,
    name: String,
    /// Whether it says what it invalidates: by its attribute, or in its body.
    invalidates: bool,
    /// Whether it is in the catalogue, and what it writes with it.
    is_cached: bool,
    writes: Vec<Write>,
    /// All words in its body.
    words: HashSet<String>,
}

impl Sources {
    /// Reads the sources below a folder, or those of one file. Folders of tests and of what is built are left out, and so are functions that
    /// are only there for tests.
    ///
    /// # Errors
    ///
    /// If something cannot be read, or is no Rust.
    pub fn read(path: impl AsRef<Path>) -> Result<Self, SourceError> {
        let mut sources = Self::default();
        sources.add(path.as_ref())?;
        Ok(sources)
    }

    /// As [`read`](Self::read), of one folder more.
    ///
    /// # Errors
    ///
    /// If something cannot be read, or is no Rust.
    pub fn add(&mut self, path: &Path) -> Result<(), SourceError> {
        let unreadable = |cause| SourceError::Unreadable {
            path: path.to_owned(),
            cause,
        };
        if !fs::metadata(path).map_err(unreadable)?.is_dir() {
            return self.add_file(path);
        }
        let entries = fs::read_dir(path).map_err(unreadable)?;
        let mut entries: Vec<_> = entries.collect::<Result<_, _>>().map_err(unreadable)?;
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            // No links: one may lead back here.
            let kind = entry.file_type().map_err(unreadable)?;
            let is_source = kind.is_file() && name.ends_with(".rs");
            let is_folder = kind.is_dir() && !name.starts_with('.') && !TESTS.contains(&&*name);
            if is_source || is_folder {
                self.add(&entry.path())?;
            }
        }
        Ok(())
    }

    fn add_file(&mut self, path: &Path) -> Result<(), SourceError> {
        let text = fs::read_to_string(path).map_err(|cause| SourceError::Unreadable {
            path: path.to_owned(),
            cause,
        })?;
        let tokens = without_shebang(&text)
            .parse::<TokenStream>()
            .map_err(|error| SourceError::NoRust {
                path: path.to_owned(),
                message: format!("{error}, in line {}", error.span().start().line),
            })?;
        let file = path.display().to_string();
        let mut reader = Reader {
            file: &file,
            functions: &mut self.functions,
        };
        reader.items(tokens, None, None);
        // Else the texts of all files would stay in memory for the sake of their places.
        proc_macro2::extra::invalidate_current_thread_spans();
        Ok(())
    }

    /// Whether each function says what it invalidates, or is called by such alone.
    fn seen(&self) -> Vec<bool> {
        let mut by_name: HashMap<&str, Vec<usize>> = HashMap::new();
        for (i, function) in self.functions.iter().enumerate() {
            by_name.entry(&function.name).or_default().push(i);
        }
        let mut callers: Vec<HashSet<usize>> = vec![HashSet::new(); self.functions.len()];
        for (caller, function) in self.functions.iter().enumerate() {
            let called = function.words.iter().filter_map(|word| by_name.get(word.as_str()));
            for &called in called.flatten().filter(|&&called| called != caller) {
                callers[called].insert(caller);
            }
        }
        let mut seen: Vec<bool> = self.functions.iter().map(|function| function.invalidates).collect();
        loop {
            let is_seen = |i: &usize| !callers[*i].is_empty() && callers[*i].iter().all(|&caller| seen[caller]);
            let found: Vec<usize> = (0..seen.len()).filter(|&i| !seen[i]).filter(is_seen).collect();
            if found.is_empty() {
                return seen;
            }
            for i in found {
                seen[i] = true;
            }
        }
    }
}

impl Catalogue {
    /// The functions of the sources that write to a table which is not declared (`table …`), and neither say what they invalidate nor
    /// are called only by functions that do.
    pub fn unseen_writes(&self, sources: &Sources) -> Vec<Finding> {
        let seen = sources.seen();
        let functions = sources.functions.iter().zip(seen);
        functions
            .filter(|(function, seen)| !seen && !function.is_cached)
            .filter_map(|(function, _)| self.unseen_write(function))
            .collect()
    }

    fn unseen_write(&self, function: &Function) -> Option<Finding> {
        let is_declared = |write: &&Write| {
            let table = write.table.as_deref();
            table.is_some_and(|name| self.tables.iter().any(|table| table.is_named(name)))
        };
        let unseen: Vec<Write> = function
            .writes
            .iter()
            .filter(|write| !is_declared(write))
            .cloned()
            .collect();
        let path = &function.place.path;
        (!unseen.is_empty()).then(|| Finding {
            kind: FindingKind::UnseenWrite,
            subject: path.clone(),
            places: vec![function.place.clone()],
            sentence: format!("`{path}` writes ({}), and nothing says what that invalidates", written(&unseen)),
            remedy: format!(
                "write `#[invalidates(...)]` on it, or declare the table in `resources!`; if nothing is cached of it, say so: `--allow \
                 {}:{path}`",
                FindingKind::UnseenWrite
            ),
        })
    }
}

/// The text without what starts a script, which is no Rust.
fn without_shebang(text: &str) -> &str {
    let is_script = text.starts_with("#!") && !text.starts_with("#![");
    // The end of the line stays, so that lines are counted right.
    if is_script {
        text.split_at(text.find('\n').unwrap_or(text.len())).1
    } else {
        text
    }
}

/// What stands before an item.
#[derive(Default)]
struct Attributes {
    invalidates: bool,
    cached: bool,
    for_tests: bool,
}

/// Reads the tokens of one file.
struct Reader<'a> {
    file: &'a str,
    functions: &'a mut Vec<Function>,
}

impl Reader<'_> {
    /// Reads items, or what stands in a body: `owner` is the type or trait that they belong to, `within` the function that they stand in.
    fn items(&mut self, tokens: TokenStream, owner: Option<&str>, within: Option<usize>) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let mut attributes = Attributes::default();
        let mut at = 0;
        while let Some(token) = tokens.get(at) {
            at += 1;
            match token {
                TokenTree::Punct(punct) if punct.as_char() == '#' => {
                    if let Some(TokenTree::Group(attribute)) = tokens.get(at) {
                        attributes.add(attribute.stream());
                        at += 1;
                    }
                }
                TokenTree::Punct(punct) if punct.as_char() == ';' => attributes = Attributes::default(),
                TokenTree::Ident(word) => match Item::begins(word, &tokens[at..]) {
                    Some(item) => {
                        self.item(item, &tokens[at..], &mem::take(&mut attributes), owner);
                        at += block(&tokens[at..]).map_or(0, |(end, _)| end + 1);
                    }
                    None => self.word(word, within),
                },
                TokenTree::Literal(literal) => self.literal(&literal.to_string(), within),
                TokenTree::Group(group) => {
                    self.items(group.stream(), owner, within);
                    if group.delimiter() == Delimiter::Brace {
                        attributes = Attributes::default();
                    }
                }
                TokenTree::Punct(_) => {}
            }
        }
    }

    /// Reads the block of an item, if it has one.
    fn item(&mut self, item: Item, rest: &[TokenTree], attributes: &Attributes, owner: Option<&str>) {
        let Some((_, body)) = block(rest) else { return };
        if attributes.for_tests {
            return;
        }
        match item {
            Item::Function(name) => {
                let path = owner.map_or_else(|| name.to_string(), |owner| format!("{owner}::{name}"));
                self.functions.push(Function {
                    place: Place::new(&path, self.file, u32::try_from(name.span().start().line).unwrap_or(0)),
                    name: name.to_string(),
                    invalidates: attributes.invalidates,
                    is_cached: attributes.cached,
                    writes: Vec::new(),
                    words: HashSet::new(),
                });
                let within = self.functions.len() - 1;
                self.items(body, None, Some(within));
            }
            Item::Owner(name) => self.items(body, name.as_deref(), None),
            Item::Module => self.items(body, None, None),
        }
    }

    fn word(&mut self, word: &Ident, within: Option<usize>) {
        if let Some(within) = within {
            let word = word.to_string();
            // By hand: `cache.invalidate(...)` and its kin, or a function that is called like one.
            self.functions[within].invalidates |= word == "invalidate" || word.starts_with("invalidate_");
            self.functions[within].words.insert(word);
        }
    }

    fn literal(&mut self, literal: &str, within: Option<usize>) {
        if let (Some(within), Some(text)) = (within, text_of(literal)) {
            self.functions[within].writes.extend(sql::writes(&text));
        }
    }
}

/// What has a block of its own.
enum Item {
    Function(Ident),
    /// An implementation, or a trait, and its name.
    Owner(Option<String>),
    Module,
}

impl Item {
    /// The item that this word begins.
    fn begins(word: &Ident, rest: &[TokenTree]) -> Option<Self> {
        let name = match rest.first() {
            Some(TokenTree::Ident(name)) => Some(name),
            _ => None,
        };
        if word == "fn" {
            return name.cloned().map(Self::Function);
        }
        if word == "mod" {
            return name.map(|_| Self::Module);
        }
        if word == "trait" {
            return name.map(|name| Self::Owner(Some(name.to_string())));
        }
        // In a body `impl` may be that of a type.
        (word == "impl" && block(rest).is_some()).then(|| Self::Owner(implemented(rest)))
    }
}

impl Attributes {
    fn add(&mut self, attribute: TokenStream) {
        let words = words(attribute);
        let has = |word: &str| words.iter().any(|found| found == word);
        self.invalidates |= has("invalidates");
        self.cached |= has("cached");
        let is_plain = words.first().is_some_and(|first| first != "cfg_attr");
        self.for_tests |= is_plain && has("test") && !has("not");
    }
}

fn words(tokens: TokenStream) -> Vec<String> {
    let mut found = Vec::new();
    for token in tokens {
        match token {
            TokenTree::Ident(word) => found.push(word.to_string()),
            TokenTree::Group(group) => found.extend(words(group.stream())),
            TokenTree::Punct(_) | TokenTree::Literal(_) => {}
        }
    }
    found
}

/// The block of the item that begins before these tokens, and where it is; `None` if it has none.
fn block(tokens: &[TokenTree]) -> Option<(usize, TokenStream)> {
    for (at, token) in tokens.iter().enumerate() {
        match token {
            TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => return Some((at, group.stream())),
            TokenTree::Punct(punct) if punct.as_char() == ';' => return None,
            _ => {}
        }
    }
    None
}

/// The type that an implementation is of: its last word before what it is generic over.
fn implemented(tokens: &[TokenTree]) -> Option<String> {
    let head: Vec<&TokenTree> = tokens
        .iter()
        .take_while(|token| !matches!(token, TokenTree::Group(group) if group.delimiter() == Delimiter::Brace))
        .collect();
    let mut depth = 0_u32;
    let mut name = None;
    let mut before = ' ';
    for token in head {
        match token {
            TokenTree::Punct(punct) => {
                match punct.as_char() {
                    '<' => depth += 1,
                    // And not of an arrow.
                    '>' if before != '-' => depth = depth.saturating_sub(1),
                    _ => {}
                }
                before = punct.as_char();
            }
            TokenTree::Ident(word) if depth == 0 && word == "for" => name = None,
            TokenTree::Ident(word) if depth == 0 && word == "where" => break,
            TokenTree::Ident(word) if depth == 0 => name = Some(word.to_string()),
            _ => {}
        }
    }
    name
}

/// The text of a literal, if it is one; escapes stand for spaces, since none is part of a word.
fn text_of(literal: &str) -> Option<String> {
    if let Some(raw) = literal.strip_prefix('r') {
        return Some(raw.trim_matches('#').trim_matches('"').to_owned());
    }
    let text = literal.strip_prefix('"')?.strip_suffix('"')?;
    let mut chars = text.chars();
    let mut plain = String::new();
    while let Some(c) = chars.next() {
        let escaped = if c == '\\' { chars.next() } else { None };
        plain.push(match escaped {
            None => c,
            // A quote of SQL's, perhaps.
            Some('"') => '"',
            Some(_) => ' ',
        });
    }
    Some(plain)
}
