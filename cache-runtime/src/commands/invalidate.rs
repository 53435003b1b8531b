//! `invalidate`: makes what is cached unusable.

use std::{
    collections::{BTreeMap, BTreeSet},
    process::ExitCode,
    time::Duration,
};

use serde::Serialize;

use super::{CommandContext, CommandError, format::counted, pages::Pages, selection::Pair};
use crate::{
    Invalidated,
    cache::within,
    inspect::{Inspector, Key, KeyFilter, KeyKind},
    invalidation::Invalidation,
    key::{DEFAULT_TENANT, Namespace, SHARED_TENANT, StampKey, escape},
    resource::declared,
};

/// How long an invalidation may take until it is acknowledged.
const ACKNOWLEDGED_WITHIN: Duration = Duration::from_secs(10);

/// Make what is cached unusable, for every process: a resource, a group or a pattern, perhaps of one scope value; what carries a tag;
/// or all of a tenant.
///
/// Nothing is asked back. Names are those that the program declares; cachectl, which knows of no declaration, takes those that it finds.
#[derive(Debug, Clone, clap::Args)]
#[command(group = clap::ArgGroup::new("what").args(["names", "tag"]))]
#[expect(clippy::struct_excessive_bools, reason = "options are given or not")]
pub struct InvalidateCommand {
    /// A resource, a group, or a pattern with *. Without one, and without --tag: all of the tenant.
    #[arg(value_name = "NAME")]
    names: Option<String>,
    /// Only what has this scope value, as in company=123; may be given several times.
    #[arg(long = "scope", value_name = "NAME=VALUE", requires = "names")]
    scopes: Vec<Pair>,
    /// What carries this tag, as in author=7.
    #[arg(long, value_name = "KIND=VALUE")]
    tag: Option<Pair>,
    /// Of this tenant. Without it: of the tenant `default`.
    #[arg(long, value_name = "TENANT")]
    tenant: Option<String>,
    /// Of every tenant that has anything in the store.
    #[arg(long, conflicts_with_all = ["tenant", "shared"])]
    all_tenants: bool,
    /// Of what tenants share: for cachectl, which cannot know it.
    #[arg(long, conflicts_with = "tenant")]
    shared: bool,
    /// Softly: what was cached may be returned while it is loaded again.
    #[arg(long, conflicts_with = "tag")]
    soft: bool,
    /// Say which stamps would go, and how many entries with them, and change nothing.
    #[arg(long)]
    dry_run: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// What `invalidate --json` prints.
#[derive(Debug, Serialize)]
struct Outcome {
    dry_run: bool,
    /// The stamps that were removed, or would be.
    stamps: Vec<String>,
    /// How many entries depend on them, by their keys; only of a dry run.
    entries: Option<u64>,
    /// Whether there may be more: an entry's key does not say which tags it carries.
    may_be_more: bool,
}

impl InvalidateCommand {
    pub(super) async fn run(&self, context: &mut CommandContext<'_>) -> Result<ExitCode, CommandError> {
        if self.names.is_none() && self.tag.is_none() && self.tenant.is_none() && !self.all_tenants && !self.shared {
            return Err(CommandError::unusable(
                "say what is to be invalidated: a name, --tag, or --tenant for all of one; see --help",
            ));
        }
        let inspector = context.reached().await?;
        let invalidation = self.plan(context, &inspector).await?;
        let stamps = invalidation.stamps();
        let entries = if self.dry_run {
            Some(depending(&inspector, &stamps).await?)
        } else {
            self.apply(context, invalidation).await?;
            None
        };
        let is_of_tags = |stamp: &StampKey| matches!(Key::parse(stamp).kind, KeyKind::Tag | KeyKind::TagKind);
        let outcome = Outcome {
            dry_run: self.dry_run,
            entries,
            may_be_more: stamps.iter().any(is_of_tags),
            stamps: stamps.iter().map(ToString::to_string).collect(),
        };
        context.say(self.json).either(&outcome, |output| {
            for stamp in &outcome.stamps {
                output.line(stamp)?;
            }
            output.line(&outcome.sentence())
        })?;
        Ok(ExitCode::SUCCESS)
    }

    async fn apply(&self, context: &CommandContext<'_>, invalidation: Invalidation) -> Result<(), CommandError> {
        let cache = context.cache();
        // Until then it would be written down, to be sent later: by a process that has ended.
        if !cache.ready(ACKNOWLEDGED_WITHIN).await {
            within(ACKNOWLEDGED_WITHIN, "a probe", context.store()?.probe()).await?;
        }
        if cache.engine.apply(invalidation).await == Invalidated::Acknowledged || cache.ready(ACKNOWLEDGED_WITHIN).await
        {
            return Ok(());
        }
        Err(CommandError::unusable(format!(
            "the store has not acknowledged the invalidation within {ACKNOWLEDGED_WITHIN:?}: it may have happened, or not"
        )))
    }

    async fn plan(&self, context: &CommandContext<'_>, inspector: &Inspector) -> Result<Invalidation, CommandError> {
        let namespace = &context.cache().engine.namespace;
        let tenants = match &self.tenant {
            _ if self.all_tenants => tenants(inspector).await?,
            _ if self.shared => BTreeMap::from([(SHARED_TENANT.to_owned(), SHARED_TENANT.to_owned())]),
            Some(tenant) => BTreeMap::from([(escape(tenant), tenant.clone())]),
            None => BTreeMap::from([(DEFAULT_TENANT.to_owned(), DEFAULT_TENANT.to_owned())]),
        };
        let mut invalidation = Invalidation::new(namespace);
        // A program that declares nothing knows no names.
        let is_bare = declared::resources().next().is_none();
        for (escaped, tenant) in tenants {
            if is_bare || escaped == SHARED_TENANT {
                self.add_found(&mut invalidation, namespace, inspector, &escaped)
                    .await?;
            } else {
                invalidation.merge(&self.declared(context, &tenant)?);
            }
        }
        Ok(invalidation)
    }

    /// By the names that the program declares.
    fn declared(&self, context: &CommandContext<'_>, tenant: &str) -> Result<Invalidation, CommandError> {
        let cache = context.cache();
        if let Some(Pair { name, value }) = &self.tag {
            return Ok(cache.invalidate_tag(name, value).tenant(tenant).plan()?);
        }
        let mut invalidate = match &self.names {
            Some(names) => cache.invalidate(names).tenant(tenant),
            None => cache.invalidate_tenant(tenant),
        };
        for Pair { name, value } in &self.scopes {
            invalidate = invalidate.scope(name, value);
        }
        if self.soft {
            invalidate = invalidate.soft();
        }
        Ok(invalidate.plan()?)
    }

    /// By what is found: the stamps of a tenant (escaped) without which no entry is valid.
    async fn add_found(
        &self,
        invalidation: &mut Invalidation,
        namespace: &Namespace,
        inspector: &Inspector,
        tenant: &str,
    ) -> Result<(), CommandError> {
        if let Some(Pair { name, value }) = &self.tag {
            invalidation.add_tag(Some(tenant), name, Some(&escape(value)));
            return Ok(());
        }
        let mut found = BTreeSet::new();
        let strength = |stamp: StampKey| if self.soft { stamp.soft() } else { stamp };
        match (&self.names, &self.scopes[..]) {
            // Nothing has to be looked for.
            (Some(name), []) if !name.contains('*') => {
                found.insert(strength(namespace.stamp(tenant, name, &[])));
            }
            (Some(name), [Pair { name: scope, value }]) if !name.contains('*') => {
                found.insert(strength(namespace.stamp(tenant, name, &[(scope, escape(value))])));
            }
            (names, scopes) => {
                let mut filter = KeyFilter::stamps();
                if let Some(names) = names {
                    filter = filter.resource(names);
                }
                for Pair { name, value } in scopes {
                    filter = filter.scope(name, value);
                }
                let mut pages = Pages::new(inspector, filter);
                while let Some(page) = pages.next().await? {
                    let is_of = |key: &Key| key.scopes.len() == scopes.len() || scopes.is_empty();
                    let stamps = page.keys.iter().filter(|key| is_of(key) && key.kind != KeyKind::Epoch);
                    let stamps = stamps.filter_map(|key| StampKey::parse(&key.text));
                    let stamps = stamps.filter(|stamp| stamp.tenant() == tenant);
                    found.extend(stamps.filter_map(|stamp| self.widest(stamp)));
                }
            }
        }
        invalidation.add_stamps(found);
        Ok(())
    }

    /// Of a stamp that was found the one that is to be removed; `None` of one that is not meant.
    fn widest(&self, stamp: StampKey) -> Option<StampKey> {
        let kind = Key::parse(&stamp).kind;
        if self.soft {
            return (kind == KeyKind::SoftStamp).then_some(stamp);
        }
        match kind {
            // The tags of a tenant are meant where all of it is.
            KeyKind::Tag | KeyKind::TagKind if self.names.is_some() => None,
            KeyKind::SoftStamp => None,
            _ if self.scopes.is_empty() => Some(stamp.of_resource()),
            _ => Some(stamp),
        }
    }
}

impl Outcome {
    fn sentence(&self) -> String {
        let stamps = counted(self.stamps.len() as u64, "stamp", "stamps");
        let more = if self.may_be_more {
            ", and those that carry the tags"
        } else {
            ""
        };
        match self.entries {
            Some(entries) => {
                let entries = counted(entries, "entry", "entries");
                format!("{stamps} would be removed, and with them about {entries} would become unusable{more}.")
            }
            None if self.stamps.is_empty() => "Nothing is cached of that: there was nothing to remove.".to_owned(),
            None => format!("{stamps} removed. Nothing that was loaded before is returned any more."),
        }
    }
}

/// The tenants that have anything in the store: escaped, and as they are shown.
async fn tenants(inspector: &Inspector) -> Result<BTreeMap<String, String>, CommandError> {
    let mut tenants = BTreeMap::new();
    let mut pages = Pages::new(inspector, KeyFilter::stamps());
    while let Some(page) = pages.next().await? {
        for key in page.keys {
            let (Some(stamp), Some(tenant)) = (StampKey::parse(&key.text), key.tenant) else {
                continue;
            };
            tenants.insert(stamp.tenant().to_owned(), tenant);
        }
    }
    // What tenants share is no tenant.
    tenants.remove(SHARED_TENANT);
    Ok(tenants)
}

/// How many entries depend on one of these stamps, as their keys say.
async fn depending(inspector: &Inspector, stamps: &[StampKey]) -> Result<u64, CommandError> {
    let stamps: BTreeSet<&str> = stamps
        .iter()
        .map(|stamp| stamp.strip_suffix(crate::key::SOFT).unwrap_or(stamp))
        .collect();
    let mut pages = Pages::new(inspector, KeyFilter::entries());
    let mut depending = 0;
    while let Some(page) = pages.next().await? {
        let depends = |key: &&Key| key.stamps().iter().any(|stamp| stamps.contains(stamp.as_str()));
        depending += page.keys.iter().filter(depends).count() as u64;
    }
    Ok(depending)
}
