//! What `#[invalidates]` expands to.

use std::{borrow::Cow, fmt::Display, pin::Pin, time::Duration};

use super::{
    alternatives::{ScopeValues, alternatives},
    hold::{self, Hold},
    transaction::{self, TransactionLog},
};
use crate::{
    cache::{Cache, current_cache, note_absent},
    entry::Split,
    invalidation::{Change, Invalidation, Strength},
    key::{ScopeValue, escape},
    resource::{Resource, Selection, Tenancy},
};

/// When an invalidation happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum On {
    /// After `Ok`, or after any return that is not a `Result`.
    Ok,
    /// After every return.
    Always,
}

/// The scope values that come from a result, of each target that waits for it; `None` for one that is not meant.
pub(crate) type FromResult = Vec<Option<ScopeValues>>;

/// What one call of an `#[invalidates]` function will invalidate. Dropped without having been applied or dismissed,
/// which happens when the body's future is dropped or panics, it invalidates: what became of the body is unknown then.
#[derive(Debug)]
#[must_use]
pub struct Plan {
    /// For the log.
    function: &'static str,
    on: On,
    strength: Strength,
    tenant: Option<Cow<'static, str>>,
    targets: Vec<Target>,
    /// `None` without an enabled cache, and once the plan is done.
    cache: Option<Cache>,
    /// Where to note the invalidation instead of applying it.
    transaction: Option<TransactionLog>,
    /// For `crash_safe` resources.
    hold: Option<Hold>,
    /// While the body runs; over with the plan.
    change: Option<Change>,
}

#[derive(Debug)]
struct Target {
    selection: Selection,
    /// What `when` said on entry.
    meant: bool,
    scopes: Scopes,
}

#[derive(Debug)]
enum Scopes {
    Known(ScopeValues),
    FromResult {
        /// What is meant if there is no result.
        otherwise: ScopeValues,
    },
}

impl Scopes {
    /// Those that are known before the body.
    fn on_entry(&self) -> &[ScopeValue] {
        match self {
            Self::Known(scopes) | Self::FromResult { otherwise: scopes } => scopes,
        }
    }

    /// Whether all that is meant is known before the body.
    fn are_known(&self) -> bool {
        match self {
            Self::Known(_) => true,
            Self::FromResult { otherwise } => !otherwise.is_empty(),
        }
    }
}

/// The values of tags of one kind, as a target has them.
pub fn tag_values(kind: &'static str, values: Vec<String>) -> ScopeValues {
    values.into_iter().map(|value| (kind, value)).collect()
}

impl Plan {
    /// Starts a plan; `cache` is what the attribute's `cache = expr` named.
    pub fn begin(_module: &'static str, function: &'static str, on: On, cache: Option<&Cache>) -> Self {
        let cache = current_cache(cache);
        if cache.is_none() {
            note_absent();
        }
        let cache = cache.filter(|cache| cache.engine.upstream.store_even_if_closed().is_some());
        Self {
            function,
            on,
            strength: Strength::Strict,
            tenant: None,
            targets: Vec::new(),
            cache,
            transaction: transaction::current(),
            hold: None,
            change: None,
        }
    }

    /// The attribute's `tenant`, or the argument `tenant_id`.
    pub fn tenant<T: Display + ?Sized>(&mut self, tenant: &T) {
        if self.cache.is_some() {
            self.tenant = Some(escape(tenant).into());
        }
    }

    /// The attribute's `soft`.
    pub fn soft(&mut self) {
        self.strength = Strength::Soft;
    }

    /// A target whose scope values are known on entry.
    pub fn target(&mut self, selection: Selection, scopes: ScopeValues) {
        self.targets.push(Target {
            selection,
            meant: true,
            scopes: Scopes::Known(scopes),
        });
    }

    /// A target whose scope values, or whose condition, come from the result. What becomes of it is what the closure of
    /// [`invalidating`] returns, in the order of the calls of this method. `when` is the condition, if it is known on entry;
    /// `otherwise` are the scope values that are meant without a result.
    pub fn target_from_result(&mut self, selection: Selection, when: bool, otherwise: ScopeValues) {
        self.targets.push(Target {
            selection,
            meant: when,
            scopes: Scopes::FromResult { otherwise },
        });
    }

    /// The tenant is that of the call's beginning: in a drop there is no task to ask.
    fn settle_tenant(&mut self) {
        let Some(cache) = &self.cache else { return };
        match &self.tenant {
            Some(tenant) => cache.engine.note_tenant(tenant),
            // Where a tenant is required and missing, nothing was cached but what tenants share.
            None if self.has_tenants() => self.tenant = cache.engine.tenant_of_task(self.function),
            None => {}
        }
    }

    /// Whether a target is of a resource that is each tenant's own.
    fn has_tenants(&self) -> bool {
        let of_tenant = |resource: &Resource| resource.tenancy() == Tenancy::PerTenant;
        let mut selections = self.targets.iter().map(|target| target.selection);
        selections.any(|selection| matches!(selection, Selection::Tags(_)) || selection.resources().any(of_tenant))
    }

    /// Brackets the body if a target is `crash_safe`: the writer enters the hold, *then* what is stored becomes unusable, and
    /// nothing is stored until the hold is left. Scopes that are known only after the body are widened to the resource.
    async fn enter_hold(&mut self) {
        let Some(cache) = &self.cache else { return };
        let mut settle = Duration::ZERO;
        let before = self.on_entry(|resource| {
            let crash_safe = resource.and_then(Resource::crash_safe);
            settle = settle.max(crash_safe.map_or(Duration::ZERO, |crash_safe| crash_safe.settle));
            crash_safe.is_some()
        });
        if !before.is_empty() {
            self.hold = Hold::enter(cache, before.stamps(), settle).await;
            cache.engine.prepare(before).await;
        }
    }

    /// What is going to be invalidated of the resources that are wanted, and of tags (`None`) if they are, as far as it is known before the
    /// body: scopes that come from its result are widened to the resource.
    fn on_entry(&self, mut wanted: impl FnMut(Option<&Resource>) -> bool) -> Invalidation {
        let mut invalidation = match &self.cache {
            Some(cache) => Invalidation::new(&cache.engine.namespace),
            None => return Invalidation::default(),
        };
        for target in self.targets.iter().filter(|target| target.meant) {
            let (scopes, are_known) = (target.scopes.on_entry(), target.scopes.are_known());
            self.add(&mut invalidation, target.selection, scopes, are_known, &mut wanted);
        }
        invalidation
    }

    /// Adds what a target selects, as far as it is wanted. Of tags whose values are not known all are meant.
    fn add(
        &self,
        invalidation: &mut Invalidation,
        selection: Selection,
        scopes: &[ScopeValue],
        are_known: bool,
        mut wanted: impl FnMut(Option<&Resource>) -> bool,
    ) {
        let tenant = self.tenant.as_deref();
        if let Selection::Tags(kind) = selection
            && wanted(None)
        {
            invalidation.add_tags(tenant, kind, are_known.then_some(scopes));
        }
        for scopes in alternatives(scopes) {
            for (resource, scopes) in selection.targets(&scopes) {
                if wanted(Some(resource)) {
                    invalidation.add(self.strength, tenant, resource, &scopes);
                }
            }
        }
    }

    /// Runs the body so that calls in it do not read from the cache what the plan is going to invalidate.
    async fn around<F: Future>(&mut self, body: F) -> F::Output {
        if self.cache.is_none() {
            return body.await;
        }
        let change = self.change.insert(Change::begin(self.on_entry(|_| true)));
        change.around(body).await
    }

    /// `from_result` has one element for each target that waits for the result; without, they are what is known otherwise, at
    /// the widest the whole resource.
    fn take(&mut self, from_result: Option<FromResult>) -> Option<(Cache, Invalidation)> {
        let cache = self.cache.take()?;
        let mut from_result = from_result.map(Vec::into_iter);
        let mut invalidation = Invalidation::new(&cache.engine.namespace);
        for target in std::mem::take(&mut self.targets) {
            let are_known = target.scopes.are_known() || from_result.is_some();
            let scopes = match target.scopes {
                Scopes::Known(scopes) => Some(scopes),
                Scopes::FromResult { otherwise } => match &mut from_result {
                    Some(from_result) => from_result.next().flatten(),
                    None => Some(otherwise),
                },
            };
            let Some(scopes) = scopes.filter(|_| target.meant) else {
                continue;
            };
            self.add(&mut invalidation, target.selection, &scopes, are_known, |_| true);
        }
        Some((cache, invalidation))
    }

    async fn apply(mut self, from_result: Option<FromResult>) {
        let Some((cache, invalidation)) = self.take(from_result) else {
            return;
        };
        let mut holds: Vec<Hold> = self.hold.take().into_iter().collect();
        if self.waits_for_commit(&cache, &invalidation, &mut holds) {
            return;
        }
        // Pending or not, the mutation's own result is what its caller gets.
        cache.engine.apply(invalidation).await;
        hold::release(holds).await;
    }

    /// Whether the invalidation is that of a transaction now, to be made after its commit.
    fn waits_for_commit(&mut self, cache: &Cache, invalidation: &Invalidation, holds: &mut Vec<Hold>) -> bool {
        let transaction = self.transaction.take();
        transaction.is_some_and(|transaction| transaction.note(cache, invalidation, holds))
    }

    async fn dismiss(mut self) {
        self.cache = None;
        if let Some(hold) = self.hold.take() {
            hold.release().await;
        }
    }
}

impl Drop for Plan {
    fn drop(&mut self) {
        let Some((cache, invalidation)) = self.take(None) else {
            return;
        };
        let mut holds = self.hold.take().into_iter().collect();
        if !self.waits_for_commit(&cache, &invalidation, &mut holds) {
            cache.engine.apply_unfinished(invalidation);
        }
    }
}

/// Runs `body` and applies the plan. `scopes` is called with the value after success, once, and gives one element for each
/// [`Plan::target_from_result`].
pub async fn invalidating<R, S, C, F>(mut plan: Plan, _split: S, scopes: C, body: Pin<&mut F>) -> R
where
    S: Split<R>,
    C: FnOnce(&S::Value) -> FromResult,
    F: Future<Output = R>,
{
    plan.settle_tenant();
    plan.enter_hold().await;
    let returned = plan.around(body).await;
    if S::succeeded(&returned) {
        let from_result = S::with_value(&returned, scopes);
        plan.apply(from_result).await;
    } else if plan.on == On::Always {
        plan.apply(None).await;
    } else {
        plan.dismiss().await;
    }
    returned
}
