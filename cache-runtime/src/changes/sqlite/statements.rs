//! The statements.

use std::fmt::Write as _;

use crate::changes::declaration::Declaration;

const INSTALL: &str = include_str!("install.sql");

/// All that removes the tables of an outbox.
pub(super) const REMOVE_TABLES: &str = "
DROP TABLE IF EXISTS cache_runtime_outbox;
DROP TABLE IF EXISTS cache_runtime_sources;
DROP TABLE IF EXISTS cache_runtime_relay;
";

/// What the names of triggers begin with.
pub(super) const TRIGGER: &str = "cache_runtime_";

/// A table in the database that a declaration is about.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) declaration: Declaration,
    /// The name of the table, as it was created.
    pub(super) relation: String,
    /// The columns of the declaration, in its order.
    pub(super) columns: Vec<Column>,
    /// What is unique: a row that has these columns in common with a new one is replaced by that, where a statement says so.
    pub(super) unique: Vec<Vec<String>>,
}

/// A column that fills scopes.
#[derive(Debug, Clone)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) kind: Kind,
}

/// How values are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Integers and texts as they are.
    Plain,
    /// 0 and 1, which are `false` and `true`.
    Boolean,
    /// 16 bytes, which are written in hexadecimal digits.
    Uuid,
}

/// A trigger.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Trigger {
    pub(super) name: String,
    pub(super) sql: String,
}

/// All that installs what is declared, and removes these triggers, which are not.
pub(super) fn install(sources: &[Source], surplus: &[String]) -> String {
    let mut text = format!(
        "-- What cache-runtime needs to see the changes of these tables, for what is cached of their rows. To be run in one\n\
         -- transaction; it may be run again.\n\n{INSTALL}"
    );
    for name in surplus {
        // Writing to a String cannot fail.
        let _ = write!(text, "\nDROP TRIGGER IF EXISTS {};", ident(name));
    }
    let relations: Vec<String> = sources.iter().map(|source| literal(&source.relation)).collect();
    let _ = write!(
        text,
        "\nUPDATE cache_runtime_sources SET relation = NULL WHERE relation NOT IN ({});\n",
        relations.join(", ")
    );
    for source in sources {
        for Trigger { name, sql } in triggers(source) {
            let _ = write!(text, "\nDROP TRIGGER IF EXISTS {};\n{sql};\n", ident(&name));
        }
        let (id, relation) = (literal(&source.declaration.id()), literal(&source.relation));
        let declaration = literal(&source.declaration.to_json());
        let _ = write!(
            text,
            "
-- What was written before there were triggers may be cached.
INSERT INTO cache_runtime_outbox (source)
SELECT {id} WHERE NOT EXISTS (SELECT 1 FROM cache_runtime_sources WHERE relation = {relation});
UPDATE cache_runtime_sources SET relation = NULL WHERE relation = {relation} AND id <> {id};
INSERT INTO cache_runtime_sources (id, declaration, relation) VALUES ({id}, {declaration}, {relation})
ON CONFLICT (id) DO UPDATE SET relation = excluded.relation;
"
        );
    }
    text
}

/// The triggers of a table. There is none for a whole statement: a row that says what another one says is not written down.
pub(super) fn triggers(source: &Source) -> Vec<Trigger> {
    let table = ident(&source.relation);
    let (new, old) = (write(source, "NEW", None), write(source, "OLD", None));
    let replaced: Vec<String> = source
        .unique
        .iter()
        .map(|columns| {
            let is_same = |column: &String| format!("replaced.{0} = NEW.{0}", ident(column));
            let same: Vec<String> = columns.iter().map(is_same).collect();
            write(source, "replaced", Some(&same.join(" AND ")))
        })
        .collect();
    let trigger = |event: &str, when: &str, statements: &[&str]| Trigger {
        name: format!("{TRIGGER}{event}_{}", source.relation),
        sql: format!(
            "CREATE TRIGGER {} {when} ON {table} BEGIN\n{}\nEND",
            ident(&format!("{TRIGGER}{event}_{}", source.relation)),
            statements.join("\n")
        ),
    };
    let mut triggers = vec![
        trigger("insert", "AFTER INSERT", &[&new]),
        trigger("update", "AFTER UPDATE", &[&old, &new]),
        trigger("delete", "AFTER DELETE", &[&old]),
    ];
    if !replaced.is_empty() {
        // What `OR REPLACE` deletes, it deletes without a trigger.
        let replaced: Vec<&str> = replaced.iter().map(String::as_str).collect();
        triggers.push(trigger("replace", "BEFORE INSERT", &replaced));
        triggers.push(trigger("replace_by_update", "BEFORE UPDATE", &replaced));
    }
    triggers
}

/// Writes the values of a row down, or of rows of the table, unless that stands there already and was not taken.
fn write(source: &Source, row: &str, of_rows: Option<&str>) -> String {
    let id = literal(&source.declaration.id());
    let values: Vec<String> = source.columns.iter().map(|column| column.value(row)).collect();
    let key = format!("json_array({})", values.join(", "));
    let from = of_rows.map_or_else(String::new, |same| {
        format!(" FROM {} AS {row} WHERE {same}", ident(&source.relation))
    });
    format!(
        "    INSERT INTO cache_runtime_outbox (source, key)
    SELECT {id}, changed.key FROM (SELECT DISTINCT {key} AS key{from}) AS changed
    WHERE NOT EXISTS (
        SELECT 1 FROM cache_runtime_outbox AS known
        WHERE known.source = {id} AND known.key = changed.key AND known.id > (SELECT taken FROM cache_runtime_relay)
    );"
    )
}

impl Column {
    /// The value in JSON. NULL, and what can be written in more than one way, is NULL: it may be any.
    fn value(&self, row: &str) -> String {
        let value = format!("{row}.{}", ident(&self.name));
        match self.kind {
            Kind::Plain => format!("CASE WHEN typeof({value}) IN ('integer', 'text') THEN {value} END"),
            Kind::Boolean => format!("CASE {value} WHEN 0 THEN 'false' WHEN 1 THEN 'true' END"),
            Kind::Uuid => {
                let part = |start: u32, digits: u32| format!("substr(lower(hex({value})), {start}, {digits})");
                let parts = [part(1, 8), part(9, 4), part(13, 4), part(17, 4), part(21, 12)];
                format!(
                    "CASE WHEN typeof({value}) = 'text' THEN lower({value}) WHEN length({value}) = 16 THEN {} END",
                    parts.join(" || '-' || ")
                )
            }
        }
    }
}

/// A name in quotes.
pub(super) fn ident(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A text in quotes.
pub(super) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
