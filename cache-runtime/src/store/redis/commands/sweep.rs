//! The pattern delete that gives memory back: one walk over the keys of each server, whatever the number of patterns, in steps so
//! small that others hardly notice.

use std::{collections::HashMap, sync::Arc};

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use redis::pipe;

use super::{
    super::{
        read::bytes,
        server::{Server, Traffic},
        servers::Servers,
    },
    scan::{in_redis_words, scan, step},
};
use crate::{
    entry::{Envelope, Stamp},
    key::{Address, MOST_KINDS, StampKey, glob},
    store::{StoreError, StoreErrorKind, Swept},
};

/// Keys that one `SCAN` of a sweep looks at. Whoever comes while the server is at it waits for all of them, half a microsecond for
/// each, and that decides what others notice. With fewer of them reading commands and writing replies takes more time than looking.
const SCAN_COUNT: u32 = 32;

/// Entries whose headers are read in one step, and of which the dead ones are removed in the next: about as much work as a `SCAN`.
const LOOKED_AT: usize = 4;

/// The first entries of a walk, and how many of them are looked at in one step. Most walks find no more than these and are over before
/// anybody notices; that takes a third of the processor's time then.
const FEW: u64 = 256;
const LOOKED_AT_OF_FEW: usize = 16;

/// Primaries of a cluster that are walked over at once: each has one command of the sweep under way, and the process answers to all.
const PRIMARIES_AT_ONCE: usize = 4;

pub(in super::super) async fn sweep(servers: &Servers, patterns: &[String]) -> Result<Swept, StoreError> {
    let Some(selection) = Selection::of(patterns) else {
        return Ok(Swept::default());
    };
    let walks = servers.primaries()?.into_iter().map(|primary| {
        let selection = &selection;
        async move { walk(servers, &primary.server, selection).await }
    });
    // To the end, whichever fails: what is dead there is dead.
    let walks: Vec<_> = stream::iter(walks).buffer_unordered(PRIMARIES_AT_ONCE).collect().await;
    walks.into_iter().try_fold(Swept::default(), |all, one| {
        let one = one?;
        Ok(Swept::new(all.matched + one.matched, all.removed + one.removed))
    })
}

async fn walk(servers: &Servers, server: &Arc<Server>, selection: &Selection<'_>) -> Result<Swept, StoreError> {
    // On one connection, and to the end: a cursor means nothing to another server.
    let lane = server.write_lane();
    let generation = lane.generation();
    let mut swept = Swept::default();
    let mut entries: Vec<Address> = Vec::new();
    let mut cursor = 0_u64;
    loop {
        let (next, keys) = scan(lane, cursor, &selection.in_redis_words, SCAN_COUNT).await?;
        let keys = keys.iter().filter(|key| selection.matches(key));
        entries.extend(keys.filter_map(|key| Address::parse(key)));
        cursor = next;
        loop {
            let most = if swept.matched < FEW {
                LOOKED_AT_OF_FEW
            } else {
                LOOKED_AT
            };
            // Fewer than a step is worth wait for more.
            let enough = if cursor == 0 { 1 } else { most };
            if entries.len() < enough {
                break;
            }
            let some: Vec<Address> = entries.drain(..entries.len().min(most)).collect();
            swept.matched += some.len() as u64;
            swept.removed += remove_dead(servers, &some).await?;
        }
        if cursor == 0 {
            return Ok(swept);
        }
        if lane.generation() != generation {
            let lost = "the connection was replaced before all keys were looked at";
            return Err(lane.with_address(&StoreError::new(StoreErrorKind::Unavailable, lost)));
        }
    }
}

/// The keys that a sweep is about.
struct Selection<'a> {
    /// For the server: what all patterns have in common.
    in_redis_words: String,
    /// What all of them begin with, and what comes after it in each; nothing of a single one, which the server matches.
    common: &'a str,
    rest: Vec<&'a str>,
}

impl<'a> Selection<'a> {
    /// `None` without a pattern.
    fn of(patterns: &'a [String]) -> Option<Self> {
        let (first, others) = patterns.split_first()?;
        if others.is_empty() {
            return Some(Self {
                in_redis_words: in_redis_words(first),
                common: "",
                rest: Vec::new(),
            });
        }
        let literal = first.split('*').next().unwrap_or_default();
        let common = others
            .iter()
            .fold(literal, |common, pattern| common_prefix(common, pattern));
        Some(Self {
            in_redis_words: in_redis_words(common) + "*",
            common,
            rest: patterns.iter().map(|pattern| &pattern[common.len()..]).collect(),
        })
    }

    /// Whether it is about this one of the keys that the server has returned.
    fn matches(&self, key: &str) -> bool {
        let rest = || key.strip_prefix(self.common);
        self.rest.is_empty() || rest().is_some_and(|key| self.rest.iter().any(|pattern| glob::matches(pattern, key)))
    }
}

/// What a text that has no star in it has in common with a pattern, in the beginning.
fn common_prefix<'a>(text: &'a str, pattern: &str) -> &'a str {
    let differ = text
        .char_indices()
        .zip(pattern.chars())
        .find(|((_, one), other)| one != other);
    let end = differ.map_or(text.len().min(pattern.len()), |((at, _), _)| at);
    &text[..end]
}

/// Removes those of the entries whose stamps are not the current ones. A stamp never comes back, so what is dead when it
/// is looked at is dead when it is removed; that it was filled again in between costs a miss.
async fn remove_dead(servers: &Servers, entries: &[Address]) -> Result<u64, StoreError> {
    // In one round trip: the shorter the time between this look and the removal, the fewer entries are filled in between.
    // The stamps after the entries: a stamp that an entry was loaded under and that is another one then is dead.
    let mut look = pipe();
    for entry in entries {
        // Those of kinds of tags and as many soft ones may come after these.
        let last = Envelope::head_len(entry.stamps().len() * 2 + MOST_KINDS) - 1;
        look.cmd("GETRANGE").arg(entry.entry()).arg(0).arg(last);
    }
    let mut keys: Vec<&str> = entries.iter().flat_map(Address::stamps).map(StampKey::as_str).collect();
    keys.sort_unstable();
    keys.dedup();
    for key in &keys {
        look.cmd("GET").arg(key);
    }
    let mut values = step(servers.replies(&look, Traffic::Writes))
        .await?
        .into_iter()
        .map(bytes);
    let heads: Vec<_> = values.by_ref().take(entries.len()).collect();
    let stamp = |text: Option<Bytes>| Stamp::from_text(&text?);
    let current: HashMap<&str, Option<Stamp>> = keys.into_iter().zip(values.map(stamp)).collect();

    let mut dead = Vec::new();
    for (entry, head) in entries.iter().zip(heads) {
        // What is no envelope of this version is left alone: another release may be reading it.
        let Some(loaded) = head.as_deref().and_then(Envelope::stamps_of_head) else {
            continue;
        };
        let current = entry
            .stamps()
            .iter()
            .map(|key| current.get(key.as_str()).copied().flatten());
        // What is soft is left alone: the entry may be returned until it is replaced.
        let strict = loaded.into_iter().take(entry.stamps().len());
        if !strict.map(Some).eq(current) {
            dead.push(entry.entry());
        }
    }
    step(servers.unlink(&dead, Traffic::Writes)).await?;
    Ok(dead.len() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patterns(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|&text| text.to_owned()).collect()
    }

    #[test]
    fn the_server_is_asked_for_what_all_patterns_begin_with_and_told_apart_here() {
        let patterns = patterns(&[
            "cache:t:invoices:*",
            "cache:t:invoices_list:*company-1:*",
            "cache:t:in*",
        ]);
        let selection = Selection::of(&patterns).unwrap();
        assert_eq!(selection.in_redis_words, "cache:t:in*");
        for (key, matches) in [
            ("cache:t:invoices:h", true),
            ("cache:t:invoices_list:company-1:h", true),
            ("cache:t:income:h", true),
            ("cache:t:rates:h", false),
            ("cache", false),
        ] {
            assert_eq!(selection.matches(key), matches, "{key}");
        }
    }

    #[test]
    fn patterns_without_anything_in_common_are_told_apart_by_this_process_alone() {
        for (texts, asked) in [
            (["*:a", "b:*"], "*"),
            (["a:é:*", "a:è:*"], "a:*"),
            (["a?:x*", "a?:*"], "a\\?:*"),
            (["ab", "a"], "a*"),
        ] {
            let patterns = patterns(&texts);
            let selection = Selection::of(&patterns).unwrap();
            assert_eq!(selection.in_redis_words, asked, "{texts:?}");
            assert!(selection.matches(&texts[1].replace('*', "z")), "{texts:?}");
        }
    }

    #[test]
    fn a_single_pattern_is_matched_by_the_server() {
        let patterns = patterns(&["cache:t:r:*[x]*"]);
        let selection = Selection::of(&patterns).unwrap();
        assert_eq!(selection.in_redis_words, "cache:t:r:*\\[x\\]*");
        assert!(selection.matches("anything that it returns"));
    }
}
