//! What stands in the database, judged: whose it is, and whether it ends.

use std::collections::BTreeSet;

use serde::Serialize;

use super::{
    super::{
        CommandError,
        format::counted,
        pages::{Pages, summaries},
    },
    finding::{
        Finding,
        Severity::{Notice, Warning},
    },
};
use crate::{
    Cache,
    inspect::{Inspector, Key, KeyFilter, KeyKind},
    key::BY_KEY,
    resource::declared,
    store::ServerReport,
};

/// So many examples are named.
const EXAMPLES: usize = 3;

/// What was found among the keys.
#[derive(Debug, Default, Serialize)]
pub(super) struct Keyspace {
    /// How many were looked at.
    looked_at: u64,
    /// Whether these are all.
    is_complete: bool,
    entries: u64,
    stamps: u64,
    /// Those that no cache has put there.
    foreign: u64,
    foreign_examples: Vec<String>,
    /// The namespaces of caches; an empty text for none.
    namespaces: BTreeSet<String>,
    /// Resources in the namespace of this cache that this program does not declare; none if it declares nothing at all.
    undeclared: BTreeSet<String>,
    /// Entries and stamps that never end.
    without_ttl: u64,
    without_ttl_examples: Vec<String>,
}

impl Keyspace {
    pub(super) async fn look(inspector: &Inspector, cache: &Cache, most: u64) -> Result<Self, CommandError> {
        let own = cache.engine.namespace.name();
        let mut pages = Pages::new(inspector, KeyFilter::everything().pattern("*"));
        let mut keyspace = Self::default();
        while keyspace.looked_at < most
            && let Some(page) = pages.next().await?
        {
            keyspace.looked_at += page.keys.len() as u64 + page.unreadable;
            keyspace.foreign += page.unreadable;
            // Keys of others are none of its business, and the user may not be allowed to look at them.
            let (mine, others): (Vec<Key>, Vec<Key>) = page
                .keys
                .into_iter()
                .partition(|key| key.kind != KeyKind::Foreign && key.namespace.as_deref() == own);
            for key in others {
                keyspace.note_other(key);
            }
            keyspace.note_own(inspector, &mine).await?;
        }
        keyspace.is_complete = pages.is_over();
        Ok(keyspace)
    }

    fn note_other(&mut self, key: Key) {
        if key.kind == KeyKind::Foreign {
            self.foreign += 1;
            example(&mut self.foreign_examples, key.text);
        } else {
            self.namespaces.insert(key.namespace.unwrap_or_default());
        }
    }

    async fn note_own(&mut self, inspector: &Inspector, keys: &[Key]) -> Result<(), CommandError> {
        let kept: Vec<Key> = keys
            .iter()
            .filter(|key| key.kind.is_entry() || key.kind.is_stamp())
            .cloned()
            .collect();
        let declares_any = declared::resources().next().is_some();
        for key in keys {
            self.namespaces.insert(key.namespace.clone().unwrap_or_default());
            self.entries += u64::from(key.kind.is_entry());
            self.stamps += u64::from(key.kind.is_stamp());
            let resource = key
                .resource
                .as_deref()
                .filter(|_| matches!(key.kind, KeyKind::Entry | KeyKind::Stamp));
            if let Some(resource) = resource.filter(|resource| declares_any && !is_declared(resource)) {
                self.undeclared.insert(resource.to_owned());
            }
        }
        for summary in summaries(inspector, &kept).await? {
            if summary.time_left.is_none() {
                self.without_ttl += 1;
                example(&mut self.without_ttl_examples, summary.key.text);
            }
        }
        Ok(())
    }

    pub(super) fn sentence(&self) -> String {
        let Self {
            entries,
            stamps,
            foreign,
            ..
        } = self;
        let more = if self.is_complete { "" } else { ", and there are more" };
        format!(
            "Of {} that were looked at{more}: {}, {}, {foreign} foreign.",
            counted(self.looked_at, "key", "keys"),
            counted(*entries, "entry", "entries"),
            counted(*stamps, "stamp", "stamps"),
        )
    }

    pub(super) fn findings(&self, servers: &[ServerReport]) -> Vec<Finding> {
        let findings = [
            self.foreign_keys(servers),
            self.undeclared_resources(),
            self.several_namespaces(),
            self.keys_without_ttl(),
        ];
        findings.into_iter().flatten().collect()
    }

    fn foreign_keys(&self, servers: &[ServerReport]) -> Option<Finding> {
        if self.foreign == 0 {
            return None;
        }
        let evicts_all = |server: &ServerReport| {
            server
                .info("maxmemory_policy")
                .is_some_and(|policy| policy.starts_with("allkeys"))
        };
        let risk = if servers.iter().any(evicts_all) {
            " maxmemory-policy lets the server evict them, too: if they are no cache's, they can be lost."
        } else {
            ""
        };
        Some(Finding::new(
            "foreign_keys",
            Warning,
            format!(
                "{} in this database no cache has put there{}.{risk}",
                counted(self.foreign, "key", "keys"),
                examples(&self.foreign_examples)
            ),
            "Give the cache a server of its own: memory, eviction and slow commands are of the whole server, whatever the database number.",
        ))
    }

    fn undeclared_resources(&self) -> Option<Finding> {
        if self.undeclared.is_empty() {
            return None;
        }
        let names: Vec<&str> = self.undeclared.iter().map(String::as_str).collect();
        Some(Finding::new(
            "undeclared_resources",
            Warning,
            format!(
                "There are entries of resources that this program does not declare: {}.",
                names.join(", ")
            ),
            "Of an earlier version they go by themselves. If another service keeps them here, give each its own CACHE_NAMESPACE: by their \
             keys the two are one, and invalidate each other's.",
        ))
    }

    fn several_namespaces(&self) -> Option<Finding> {
        if self.namespaces.len() < 2 {
            return None;
        }
        let name = |namespace: &String| match namespace.as_str() {
            "" => "one without a namespace".to_owned(),
            name => name.to_owned(),
        };
        let names: Vec<String> = self.namespaces.iter().map(name).collect();
        Some(Finding::new(
            "several_services",
            Notice,
            format!(
                "Several services keep their entries in this database: {}.",
                names.join(", ")
            ),
            "They do not touch each other's entries, but share memory and eviction. The one that fills most evicts the others'.",
        ))
    }

    fn keys_without_ttl(&self) -> Option<Finding> {
        if self.without_ttl == 0 {
            return None;
        }
        Some(Finding::new(
            "keys_without_ttl",
            Warning,
            format!(
                "{} of the cache never end{}. The cache writes none like that.",
                counted(self.without_ttl, "key", "keys"),
                examples(&self.without_ttl_examples)
            ),
            "Find who writes them (PERSIST, SET without PX, a restored dump without times), and remove them: they take memory for good, and \
             volatile-* policies never evict them.",
        ))
    }
}

fn is_declared(resource: &str) -> bool {
    resource == BY_KEY || declared::resources().any(|declared| declared.name() == resource)
}

fn example(examples: &mut Vec<String>, key: String) {
    if examples.len() < EXAMPLES {
        examples.push(key);
    }
}

fn examples(examples: &[String]) -> String {
    if examples.is_empty() {
        return String::new();
    }
    format!(" (for example {})", examples.join(", "))
}
