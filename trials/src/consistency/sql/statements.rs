//! Every kind of statement that changes rows.

use fastrand::Rng;

use super::tables::{DAYS, ITEMS, OTHERS, draw_item};
use crate::consistency::{node::Subject, options::Database};

/// What a transaction is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Insert,
    Update,
    /// Rows move from one item to another.
    Move,
    /// Rows that were an item's are nobody's, or the other way round.
    MoveOut,
    MoveIn,
    DeleteOne,
    DeleteAll,
    /// `ON CONFLICT`, with conflicts.
    Upsert,
    /// `OR REPLACE`.
    Replace,
    UpdateOrReplace,
    Merge,
    Copy,
    /// A row goes, and rows of other tables with it.
    Cascade,
    /// A partitioned table by its name.
    Events,
    /// The same by that of a partition.
    PartitionInsert,
    PartitionUpdate,
    PartitionDelete,
    /// Rows move from one partition to the other, and to another item.
    EventsAcross,
    /// From one table to another in one statement.
    Shift,
    /// As whoever applies changes that were made elsewhere.
    Replica,
    Several,
    Savepoint,
    /// Statements that touch no row.
    Nothing,
    RolledBack,
    /// The rest concerns all items, so it mends what was lost of any.
    Truncate,
    TruncatePartition,
    /// More values than are written down one by one.
    Wide,
    WideDelete,
}

const EVERY: [Kind; 28] = [
    Kind::Insert,
    Kind::Update,
    Kind::Move,
    Kind::MoveOut,
    Kind::MoveIn,
    Kind::DeleteOne,
    Kind::DeleteAll,
    Kind::Upsert,
    Kind::Replace,
    Kind::UpdateOrReplace,
    Kind::Merge,
    Kind::Copy,
    Kind::Cascade,
    Kind::Events,
    Kind::PartitionInsert,
    Kind::PartitionUpdate,
    Kind::PartitionDelete,
    Kind::EventsAcross,
    Kind::Shift,
    Kind::Replica,
    Kind::Several,
    Kind::Savepoint,
    Kind::Nothing,
    Kind::RolledBack,
    Kind::Truncate,
    Kind::TruncatePartition,
    Kind::Wide,
    Kind::WideDelete,
];

/// The first version of PostgreSQL that knows `MERGE`.
const MERGE_SINCE: u32 = 15;

/// Which statements a database knows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Dialect {
    pub(super) database: Database,
    /// The first number of its version.
    pub(super) version: u32,
}

impl Dialect {
    /// Those kinds that concern few items, or all.
    pub(super) fn kinds(self, of_all_items: bool) -> Vec<Kind> {
        let knows = |kind: &Kind| kind.is_of_all_items() == of_all_items && self.knows(*kind);
        EVERY.into_iter().filter(knows).collect()
    }

    fn knows(self, kind: Kind) -> bool {
        let is_postgres = self.database == Database::Postgres;
        match kind {
            Kind::Replace | Kind::UpdateOrReplace => !is_postgres,
            Kind::Merge => is_postgres && self.version >= MERGE_SINCE,
            Kind::Copy
            | Kind::PartitionInsert
            | Kind::PartitionUpdate
            | Kind::PartitionDelete
            | Kind::Shift
            | Kind::Replica
            | Kind::TruncatePartition => is_postgres,
            _ => true,
        }
    }
}

/// What one transaction does.
#[derive(Debug)]
pub(super) struct Plan {
    /// All that it may change, but the total.
    pub(super) subjects: Vec<Subject>,
    pub(super) statements: Vec<String>,
    pub(super) commits: bool,
}

impl Kind {
    /// Whether all that is cached of a table is invalidated.
    fn is_of_all_items(self) -> bool {
        matches!(
            self,
            Self::Truncate | Self::TruncatePartition | Self::Wide | Self::WideDelete
        )
    }

    pub(super) fn name(self) -> String {
        let mut name = String::new();
        for letter in format!("{self:?}").chars() {
            if letter.is_uppercase() && !name.is_empty() {
                name.push(' ');
            }
            name.push(letter.to_ascii_lowercase());
        }
        name
    }

    /// A transaction of this kind.
    #[expect(clippy::too_many_lines, reason = "a list of statements, one after the other")]
    pub(super) fn plan(self, dialect: Dialect, random: &mut Rng) -> Plan {
        let (i, j) = (draw_item(random), draw_item(random));
        let mut amount = || random.u32(1..1_000_000_000);
        let (a, b) = (amount(), amount());
        let newest = format!("SELECT max(id) FROM entries WHERE item = {i}");
        let insert = format!(
            "INSERT INTO entries (owner, item, amount) VALUES ({i}, {i}, {a}), ({i}, {i}, {b}), ({i}, {j}, {b})"
        );
        let update = format!("UPDATE entries SET amount = amount + {a} WHERE item = {i}");
        let (early, late) = (a % (DAYS / 2), DAYS / 2 + b % (DAYS / 2));
        let entries = [Subject::Item(i), Subject::Item(j)];
        let with_others = [Subject::Item(i), Subject::Item(OTHERS)];
        let events = [Subject::Events(i), Subject::Events(j)];
        match self {
            Self::Insert => Plan::of(&entries, [insert]),
            Self::Update => Plan::of(&entries, [update]),
            Self::Move => Plan::of(
                &entries,
                [format!("UPDATE entries SET item = {j} WHERE id IN ({newest})")],
            ),
            Self::MoveOut => Plan::of(
                &with_others,
                [format!("UPDATE entries SET item = NULL WHERE id IN ({newest})")],
            ),
            Self::MoveIn => Plan::of(
                &with_others,
                [format!(
                    "UPDATE entries SET item = {i} WHERE id IN (SELECT min(id) FROM entries WHERE item IS NULL)"
                )],
            ),
            Self::DeleteOne => Plan::of(&entries, [format!("DELETE FROM entries WHERE id IN ({newest})")]),
            Self::DeleteAll => Plan::of(&entries, [format!("DELETE FROM entries WHERE item = {i}")]),
            Self::Upsert => Plan::of(
                &entries,
                [format!(
                    "INSERT INTO entries (id, owner, item, amount)
                     SELECT id, owner, {j}, amount + {a} FROM entries WHERE id IN ({newest})
                     ON CONFLICT (id) DO UPDATE SET item = excluded.item, amount = excluded.amount"
                )],
            ),
            Self::Replace => Plan::of(
                &entries,
                [format!(
                    "INSERT OR REPLACE INTO entries (id, owner, item, amount)
                     SELECT id, owner, {j}, amount + {a} FROM entries WHERE id IN ({newest})"
                )],
            ),
            // The row of the other item is in the way, and goes.
            Self::UpdateOrReplace => Plan::of(
                &entries,
                [format!(
                    "UPDATE OR REPLACE entries SET id = COALESCE((SELECT max(id) FROM entries WHERE item = {j}), id)
                     WHERE id IN ({newest})"
                )],
            ),
            Self::Merge => Plan::of(
                &entries,
                [format!(
                    "MERGE INTO entries USING (SELECT id FROM entries WHERE item = {i} UNION ALL SELECT -1) AS seen
                     ON entries.id = seen.id
                     WHEN MATCHED AND entries.id % 2 = 0 THEN DELETE
                     WHEN MATCHED THEN UPDATE SET amount = amount + {a}, item = {j}
                     WHEN NOT MATCHED THEN INSERT (owner, item, amount) VALUES ({i}, {i}, {b})"
                )],
            ),
            Self::Copy => Plan::of(
                &entries,
                [format!(
                    "COPY entries (owner, item, amount) FROM PROGRAM 'echo {i},{i},{a}; echo {i},{j},{b}' (FORMAT csv)"
                )],
            ),
            Self::Cascade => Plan::of(
                &[entries, events].concat(),
                [
                    format!("DELETE FROM owners WHERE id = {i}"),
                    format!("INSERT INTO owners VALUES ({i})"),
                ],
            ),
            Self::Events => Plan::of(
                &events,
                [format!(
                    "INSERT INTO events VALUES ({i}, {i}, {early}, {a}), ({i}, {j}, {late}, {b})"
                )],
            ),
            Self::PartitionInsert => Plan::of(
                &events,
                [format!("INSERT INTO events_early VALUES ({i}, {i}, {early}, {a}), ({i}, {j}, {early}, {b})")],
            ),
            Self::PartitionUpdate => Plan::of(
                &events,
                [format!("UPDATE events_late SET item = {j}, amount = {a} WHERE item = {i}")],
            ),
            Self::PartitionDelete => Plan::of(&events, [format!("DELETE FROM events_early WHERE item = {i}")]),
            Self::EventsAcross => Plan::of(
                &events,
                [format!(
                    "UPDATE events SET day = {} - day, item = {j} WHERE item = {i} AND day % 2 = {}",
                    DAYS - 1,
                    a % 2
                )],
            ),
            Self::Shift => Plan::of(
                &[entries, events].concat(),
                [format!(
                    "WITH gone AS (DELETE FROM entries WHERE item = {i} RETURNING owner, item, amount)
                     INSERT INTO events SELECT owner, item, {late}, amount FROM gone"
                )],
            ),
            Self::Replica => Plan::of(
                &entries,
                ["SET LOCAL session_replication_role = replica".to_owned(), insert],
            ),
            Self::Several => Self::several(dialect, random),
            Self::Savepoint => Plan::of(
                &entries,
                [
                    "SAVEPOINT half_way".to_owned(),
                    update,
                    "ROLLBACK TO half_way".to_owned(),
                    format!("DELETE FROM entries WHERE id IN ({newest})"),
                ],
            ),
            Self::Nothing => Plan::of(
                &entries,
                [
                    format!("{update} AND id < 0"),
                    format!("DELETE FROM entries WHERE item = {i} AND id < 0"),
                    format!(
                        "INSERT INTO entries (id, owner, item, amount) SELECT id, owner, {j}, {a} FROM entries WHERE item = {i}
                         ON CONFLICT (id) DO NOTHING"
                    ),
                ],
            ),
            Self::RolledBack => Plan {
                commits: false,
                ..Plan::of(&entries, [insert, update])
            },
            Self::Truncate => Plan::of(&all(Subject::Item), [dialect.truncate("entries")]),
            Self::TruncatePartition => Plan::of(&all(Subject::Events), [dialect.truncate("events_early")]),
            Self::Wide => Plan::of(
                &all(Subject::Item),
                [format!(
                    "INSERT INTO entries (owner, item, amount) SELECT id, id, {a} + id FROM owners"
                )],
            ),
            Self::WideDelete => Plan::of(&all(Subject::Item), ["DELETE FROM entries WHERE id % 2 = 0".to_owned()]),
        }
    }

    /// Three transactions of other kinds in one.
    fn several(dialect: Dialect, random: &mut Rng) -> Plan {
        let kinds = [
            Self::Insert,
            Self::Update,
            Self::Move,
            Self::DeleteOne,
            Self::Upsert,
            Self::Events,
            Self::EventsAcross,
        ];
        let mut plan = Plan::of(&[], []);
        for _ in 0..3 {
            let part = kinds[random.usize(0..kinds.len())].plan(dialect, random);
            plan.subjects.extend(part.subjects);
            plan.statements.extend(part.statements);
        }
        plan
    }
}

impl Dialect {
    fn truncate(self, table: &str) -> String {
        match self.database {
            Database::Postgres => format!("TRUNCATE {table}"),
            Database::Sqlite => format!("DELETE FROM {table}"),
        }
    }
}

impl Plan {
    fn of<const N: usize>(subjects: &[Subject], statements: [String; N]) -> Self {
        Self {
            subjects: subjects.to_vec(),
            statements: statements.into(),
            commits: true,
        }
    }
}

fn all(subject: fn(u32) -> Subject) -> Vec<Subject> {
    (OTHERS..=ITEMS).map(subject).collect()
}
