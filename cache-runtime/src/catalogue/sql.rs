//! Statements in texts that write to a table of a database.
//!
//! A hint, and no parser of SQL: a statement is told by the words that it begins with. It begins where the text does, after a
//! `;`, in parentheses (`WITH gone AS (DELETE …`), or after those.

use std::{iter::Peekable, str::CharIndices};

use serde::Serialize;

/// A statement that writes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[non_exhaustive]
pub struct Write {
    /// What it does: `INSERT`, `UPDATE`, `DELETE`, `MERGE`, `TRUNCATE` or `REPLACE`.
    pub statement: &'static str,
    /// The table, with its schema if it is written; `None` if the name is put in later: `INSERT INTO {table}`.
    pub table: Option<String>,
}

/// The statements in a text that write, in its order.
pub(super) fn writes(text: &str) -> Vec<Write> {
    let tokens: Vec<Token<'_>> = Tokens::of(text).collect();
    let begins = |at: usize| {
        at.checked_sub(1)
            .is_none_or(|before| matches!(tokens[before], Token::Mark(';' | '(' | ')')))
    };
    (0..tokens.len())
        .filter(|&at| begins(at))
        .filter_map(|at| write(&tokens[at..]))
        .collect()
}

/// The statement that these tokens are the beginning of, if it writes.
fn write(tokens: &[Token<'_>]) -> Option<Write> {
    let Some((Token::Word(first), rest)) = tokens.split_first() else {
        return None;
    };
    if rest.is_empty() {
        return None;
    }
    let mut rest = Rest(rest);
    let is = |word: &str| first.eq_ignore_ascii_case(word);
    // Of two words in small letters nobody knows whether they are a statement.
    let is_loud = !first.contains(|c: char| c.is_ascii_lowercase());
    let (statement, table, is_statement) = if is("INSERT") || is("REPLACE") {
        rest.takes_alternative();
        let has_into = rest.takes("INTO");
        let statement = if is("INSERT") { "INSERT" } else { "REPLACE" };
        (statement, rest.table(), has_into)
    } else if is("DELETE") {
        let has_from = rest.takes("FROM");
        let table = rest.table();
        ("DELETE", table, has_from && rest.ends_or_goes_on_with(&DELETE))
    } else if is("UPDATE") {
        rest.takes_alternative();
        let table = rest.table();
        let is_beginning = is_loud && rest.0.is_empty();
        ("UPDATE", table, is_beginning || rest.has("SET"))
    } else if is("MERGE") {
        let has_into = rest.takes("INTO");
        let table = rest.table();
        ("MERGE", table, has_into || rest.has("USING"))
    } else if is("TRUNCATE") {
        let has_table = rest.takes("TABLE");
        let table = rest.table();
        (
            "TRUNCATE",
            table,
            has_table || is_loud && rest.ends_or_goes_on_with(&TRUNCATE),
        )
    } else {
        return None;
    };
    is_statement.then_some(Write { statement, table })
}

/// How a statement goes on after its table.
const DELETE: [&str; 6] = ["AS", "WHERE", "USING", "RETURNING", "ORDER", "LIMIT"];
const TRUNCATE: [&str; 4] = ["RESTART", "CONTINUE", "CASCADE", "RESTRICT"];

/// What is left of a statement.
struct Rest<'a>(&'a [Token<'a>]);

impl<'a> Rest<'a> {
    /// Takes the next word, if it is this one.
    fn takes(&mut self, word: &str) -> bool {
        let is_next = self.is_next(word);
        if is_next {
            self.0 = &self.0[1..];
        }
        is_next
    }

    /// Takes what SQLite has between the verb and the rest: `OR REPLACE`.
    fn takes_alternative(&mut self) {
        if self.takes("OR") {
            self.word();
        }
    }

    fn word(&mut self) -> Option<&'a str> {
        let (Token::Word(word) | Token::Quoted(word)) = self.0.first()? else {
            return None;
        };
        self.0 = &self.0[1..];
        Some(word)
    }

    /// A table, of whose rows only its own may be meant: `ONLY invoices`.
    fn table(&mut self) -> Option<String> {
        self.takes("ONLY");
        self.name()
    }

    /// A name with or without a schema; `None` if it is put in later.
    fn name(&mut self) -> Option<String> {
        let mut name = self.word()?.to_owned();
        while matches!(self.0, [Token::Mark('.'), Token::Word(_) | Token::Quoted(_), ..]) {
            self.0 = &self.0[1..];
            name.push('.');
            name.push_str(self.word()?);
        }
        Some(name)
    }

    fn is_next(&self, word: &str) -> bool {
        matches!(self.0.first(), Some(Token::Word(next)) if next.eq_ignore_ascii_case(word))
    }

    /// Whether this word is anywhere in the rest of the statement.
    fn has(&self, word: &str) -> bool {
        let statement = self.0.split(|token| matches!(token, Token::Mark(';'))).next();
        let mut words = statement.unwrap_or_default().iter();
        words.any(|token| matches!(token, Token::Word(found) if found.eq_ignore_ascii_case(word)))
    }

    /// Whether the statement ends here, or goes on with one of these words or with no word at all.
    fn ends_or_goes_on_with(&self, words: &[&str]) -> bool {
        match self.0.first() {
            Some(Token::Word(_)) => words.iter().any(|word| self.is_next(word)) || self.has_alias(),
            Some(Token::Quoted(_) | Token::Mark(_)) | None => true,
        }
    }

    /// Whether what comes next is another name for the table, and then the statement goes on.
    fn has_alias(&self) -> bool {
        matches!(self.0, [_, Token::Word(next), ..] if ["WHERE", "USING"].iter().any(|word| next.eq_ignore_ascii_case(word)))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token<'a> {
    Word(&'a str),
    /// A name in quotes.
    Quoted(&'a str),
    /// Anything else, a character of it.
    Mark(char),
}

/// Splits a text into words; comments and texts of SQL are left out.
struct Tokens<'a> {
    text: &'a str,
    chars: Peekable<CharIndices<'a>>,
}

impl<'a> Tokens<'a> {
    fn of(text: &'a str) -> Self {
        Self {
            text,
            chars: text.char_indices().peekable(),
        }
    }

    /// What is before the next of these characters, which is taken, too.
    fn until(&mut self, from: usize, end: char) -> &'a str {
        let at = self
            .chars
            .by_ref()
            .find(|(_, c)| *c == end)
            .map_or(self.text.len(), |(at, _)| at);
        &self.text[from..at]
    }

    fn comment(&mut self, opened: char) {
        if opened == '-' {
            self.chars.by_ref().find(|(_, c)| *c == '\n');
            return;
        }
        let mut before = ' ';
        self.chars
            .by_ref()
            .find(|(_, c)| std::mem::replace(&mut before, *c) == '*' && *c == '/');
    }

    fn next_is(&mut self, expected: char) -> bool {
        self.chars.next_if(|(_, c)| *c == expected).is_some()
    }
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        loop {
            let (at, c) = self.chars.next()?;
            let is_word = |c: char| c.is_alphanumeric() || c == '_';
            return Some(match c {
                c if c.is_whitespace() => continue,
                '-' if self.next_is('-') => {
                    self.comment('-');
                    continue;
                }
                '/' if self.next_is('*') => {
                    self.comment('*');
                    continue;
                }
                '\'' => {
                    self.until(at, '\'');
                    Token::Mark('\'')
                }
                '"' | '`' => Token::Quoted(self.until(at + 1, c)),
                '[' => Token::Quoted(self.until(at + 1, ']')),
                c if is_word(c) => {
                    let mut end = at + c.len_utf8();
                    while let Some((at, c)) = self.chars.next_if(|(_, c)| is_word(*c)) {
                        end = at + c.len_utf8();
                    }
                    Token::Word(&self.text[at..end])
                }
                mark => Token::Mark(mark),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::writes;

    fn found(text: &str) -> Vec<String> {
        let name = |table: Option<String>| table.unwrap_or_else(|| "?".to_owned());
        writes(text)
            .into_iter()
            .map(|write| format!("{} {}", write.statement, name(write.table)))
            .collect()
    }

    #[test]
    fn statements_that_write_are_found_with_their_tables() {
        for (text, expected) in [
            ("INSERT INTO invoices (id) VALUES ($1)", "INSERT invoices"),
            (
                "insert or replace into books.invoices values (?)",
                "INSERT books.invoices",
            ),
            ("  UPDATE ONLY \"Invoices\" i SET paid = 1", "UPDATE Invoices"),
            ("UPDATE invoices", "UPDATE invoices"),
            ("UPDATE {table} SET paid = 1", "UPDATE ?"),
            ("DELETE FROM [dbo].[invoices] WHERE id = 1", "DELETE dbo.invoices"),
            ("delete from invoices", "DELETE invoices"),
            ("DELETE FROM invoices AS i WHERE i.id = 1", "DELETE invoices"),
            ("DELETE FROM invoices i WHERE i.id = 1", "DELETE invoices"),
            ("MERGE INTO invoices USING new ON true", "MERGE invoices"),
            ("TRUNCATE invoices, payments", "TRUNCATE invoices"),
            ("truncate table `invoices` cascade", "TRUNCATE invoices"),
            ("REPLACE INTO invoices VALUES (1)", "REPLACE invoices"),
            ("INSERT INTO {table} VALUES ($1)", "INSERT ?"),
            (
                "-- SELECT;\n/* a * b */ INSERT INTO a VALUES ('; DELETE FROM b')",
                "INSERT a",
            ),
            ("WITH new AS (SELECT 1) INSERT INTO a SELECT * FROM new", "INSERT a"),
            (
                "WITH gone AS (DELETE FROM a RETURNING *) SELECT * FROM gone",
                "DELETE a",
            ),
        ] {
            assert_eq!(found(text), [expected], "{text}");
        }
        assert_eq!(found("DELETE FROM a; UPDATE b SET c = 1;"), ["DELETE a", "UPDATE b"]);
    }

    #[test]
    fn nothing_is_found_in_reads_and_in_sentences() {
        for text in [
            "",
            "SELECT * FROM updates",
            "SELECT id FROM a FOR UPDATE",
            "SELECT 'DELETE FROM a'",
            "SELECT 1 -- ; DELETE FROM a",
            "CREATE TABLE a (b int REFERENCES c ON DELETE CASCADE)",
            "CREATE TRIGGER t AFTER UPDATE ON a",
            "update the cache",
            "update",
            "update everything",
            "truncate",
            "truncate text",
            "delete from the list what is old",
            "insert coin",
            "truncate text to fit",
            "merge conflict",
            "replace a by b",
        ] {
            assert!(found(text).is_empty(), "{text}: {:?}", found(text));
        }
    }
}
