//! The statements, with the names of one outbox in them.

use std::fmt::Write as _;

use super::Settings;
use crate::changes::declaration::Declaration;

const INSTALL: &str = include_str!("install.sql");
const CHANGED: &str = include_str!("changed.sql");
const REMOVE: &str = include_str!("remove.sql");

/// The name of an outbox, as an identifier and as a text.
#[derive(Debug, Clone)]
pub(super) struct Names {
    schema: String,
}

impl Names {
    /// Of an outbox in this schema, which needs no quotes.
    pub(super) fn new(schema: &str) -> Self {
        Self {
            schema: schema.to_owned(),
        }
    }

    pub(super) fn schema(&self) -> &str {
        &self.schema
    }

    /// A statement in which `{schema}` is the schema, and `{literal}` its name as a text.
    pub(super) fn within(&self, statement: &str) -> String {
        let literal = literal(&self.schema);
        statement
            .replace("{schema}", &self.schema)
            .replace("{literal}", &literal)
    }
}

/// A table in the database that a declaration is about.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) declaration: Declaration,
    /// With its schema, in quotes where it needs them.
    pub(super) relation: String,
    /// Whether a column is written as the settings of a session say.
    pub(super) has_dates: bool,
}

impl Source {
    /// The name of the function that its triggers call. The end of it is in the names of the triggers.
    pub(super) fn function(&self) -> String {
        let digest = blake3::hash(self.relation.as_bytes()).to_hex();
        format!("changed_{}", &digest[..8])
    }
}

/// All that installs what is declared, and brings up to date what was installed before.
pub(super) fn install(settings: &Settings, sources: &[Source]) -> String {
    let names = &settings.names;
    let mut text = format!(
        "-- What cache-runtime needs to see the changes of these tables, for what is cached of their rows. To be run by their owner, \
         in one\n-- transaction; it may be run again. Creating a trigger waits for the transactions that write to its table, and \
         lets others wait.\n\n{}",
        names.within(INSTALL)
    );
    for source in sources {
        text.push('\n');
        text.push_str(&changed(settings, source));
    }
    let relations: Vec<String> = sources.iter().map(|source| literal(&source.relation)).collect();
    text.push_str(&names.within(&format!(
        "
UPDATE {{schema}}.sources SET relation = NULL WHERE relation IS NOT NULL AND relation NOT IN ({});
",
        relations.join(", ")
    )));
    for source in sources {
        let (relation, function) = (literal(&source.relation), literal(&source.function()));
        let id = literal(&source.declaration.id());
        let declaration = literal(&source.declaration.to_json());
        // Rows that an earlier declaration has left are still read with that.
        text.push_str(&names.within(&format!(
            "UPDATE {{schema}}.sources SET relation = NULL WHERE relation = {relation} AND id <> {id};
INSERT INTO {{schema}}.sources (id, declaration, relation, function)
VALUES ({id}, {declaration}, {relation}, {function})
ON CONFLICT (id) DO UPDATE SET relation = excluded.relation, function = excluded.function;
"
        )));
    }
    text.push_str(&names.within("SELECT {schema}.keep_up();\n"));
    text
}

/// The function that the triggers of a table call.
pub(super) fn changed(settings: &Settings, source: &Source) -> String {
    let columns = &source.declaration.columns;
    let row = |alias: &str| array(columns.iter().map(|column| text(&format!("{alias}.{}", ident(column)))));
    let notify = if settings.notify {
        // An assignment is evaluated without a plan that is begun and ended, as `PERFORM` has one.
        "nothing := pg_catalog.pg_notify({literal}, '');"
    } else {
        "NULL;"
    };
    let date_style = if source.has_dates { " SET datestyle = 'ISO'" } else { "" };
    let statement = CHANGED
        .replace("{settings}", date_style)
        .replace("{notify}", notify)
        .replace("{inserted}", &write(settings, source, &["cache_new"]))
        .replace("{updated}", &write(settings, source, &["cache_old", "cache_new"]))
        .replace("{deleted}", &write(settings, source, &["cache_old"]))
        .replace("{old_row}", &row("OLD"))
        .replace("{new_row}", &row("NEW"))
        .replace("{function}", &source.function())
        .replace("{source}", &literal(&source.declaration.id()));
    settings.names.within(&statement)
}

/// The statements that write down which values the rows of these tables have, none of which is empty unless all are.
fn write(settings: &Settings, source: &Source, tables: &[&str]) -> String {
    let Declaration { columns, tenant, .. } = &source.declaration;
    let most = settings.widen_above;
    let values = |of: &dyn Fn(&String) -> String| array(columns.iter().map(of));
    let mut lines = String::new();
    let mut line = |indent: usize, line: &str| {
        // Writing to a String cannot fail.
        let _ = writeln!(lines, "{:indent$}{line}", "");
    };
    if columns.is_empty() {
        let exists = format!("SELECT FROM {}", tables[0]);
        line(8, "INSERT INTO {schema}.outbox (source, key)");
        line(8, &format!("SELECT {{source}}, '{{}}' WHERE EXISTS ({exists});"));
        line(8, "GET DIAGNOSTICS written = ROW_COUNT;");
        return lines.trim_end().to_owned();
    }
    let key = values(&|column| text(&ident(column)));
    let all: Vec<String> = columns.iter().map(|column| ident(column)).collect();
    let all = all.join(", ");
    let rows: Vec<String> = tables
        .iter()
        .map(|table| format!("SELECT {all} FROM {table}"))
        .collect();
    let rows = rows.join(" UNION ALL ");
    let insert = |key: &str, distinct: &str| {
        format!(
            "SELECT {{source}}, {key} FROM (SELECT DISTINCT {distinct} FROM ({rows}) AS changed LIMIT {}) AS changed;",
            most + 1
        )
    };
    line(8, "INSERT INTO {schema}.outbox (source, key)");
    line(8, &insert(&key, &all));
    line(8, "GET DIAGNOSTICS written = ROW_COUNT;");
    line(8, &format!("IF written OPERATOR(pg_catalog.>) {most} THEN"));
    match tenant {
        Some(tenant) if columns.len() > 1 => {
            let key = values(&|column| {
                if column == tenant {
                    text(&ident(column))
                } else {
                    "NULL".to_owned()
                }
            });
            line(12, "INSERT INTO {schema}.outbox (source, key)");
            line(12, &insert(&key, &ident(tenant)));
            line(12, "GET DIAGNOSTICS written = ROW_COUNT;");
            line(12, &format!("IF written OPERATOR(pg_catalog.>) {most} THEN"));
            line(16, "INSERT INTO {schema}.outbox (source) VALUES ({source});");
            line(12, "END IF;");
        }
        _ => line(12, "INSERT INTO {schema}.outbox (source) VALUES ({source});"),
    }
    line(8, "END IF;");
    lines.trim_end().to_owned()
}

/// All that removes what was installed, but not the schema, in which there may be more.
pub(super) fn remove(names: &Names) -> String {
    names.within(REMOVE)
}

fn array(values: impl Iterator<Item = String>) -> String {
    let values: Vec<String> = values.collect();
    format!("ARRAY[{}]::pg_catalog.text[]", values.join(", "))
}

/// A value as a text.
fn text(value: &str) -> String {
    format!("{value}::pg_catalog.text")
}

/// A name in quotes.
pub(super) fn ident(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A text in quotes.
pub(super) fn literal(text: &str) -> String {
    if text.contains('\\') {
        format!("E'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
    } else {
        format!("'{}'", text.replace('\'', "''"))
    }
}

/// The functions that statements create, by name, each with its body.
pub(super) fn bodies(statements: &str) -> Vec<(&str, &str)> {
    let functions = statements.split("CREATE OR REPLACE FUNCTION ").skip(1);
    let read = |text: &'_ str| -> Option<(usize, usize, usize, usize)> {
        let name_starts = text.find('.')? + 1;
        let name_ends = text.find('(')?;
        let quote_starts = text.find("AS $")? + 3;
        let quote_ends = quote_starts + 1 + text[quote_starts + 1..].find('$')? + 1;
        let body_ends = quote_ends + text[quote_ends..].find(&text[quote_starts..quote_ends])?;
        Some((name_starts, name_ends, quote_ends, body_ends))
    };
    functions
        .filter_map(|text| {
            let (name_starts, name_ends, body_starts, body_ends) = read(text)?;
            Some((&text[name_starts..name_ends], &text[body_starts..body_ends]))
        })
        .collect()
}
