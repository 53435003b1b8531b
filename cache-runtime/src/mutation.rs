//! What `#[invalidates]` expands to.

use std::{borrow::Cow, fmt::Display, pin::Pin, sync::Arc, time::Duration};

use crate::{
    Cache, absent, context,
    hold::Hold,
    invalidate::Invalidation,
    key::{ScopeValue, escape},
    resource::Selection,
    returns::Shape,
    transaction::TransactionLog,
};

/// When an invalidation happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum On {
    /// After `Ok`, or after any return that is not a `Result`.
    Ok,
    /// After every return.
    Always,
}

/// Scope values, escaped.
pub type ScopeValues = Vec<ScopeValue>;

/// Escapes one scope value.
pub fn scope_value<T: Display + ?Sized>(value: &T) -> String {
    escape(value)
}

/// What one call of an `#[invalidates]` function will invalidate. Dropped without having been applied or dismissed,
/// which happens when the body's future is dropped or panics, it invalidates: what became of the body is unknown then.
#[derive(Debug)]
#[must_use]
pub struct Plan {
    on: On,
    tenant: Option<Cow<'static, str>>,
    targets: Vec<Target>,
    /// `None` without an enabled cache, and once the plan is done.
    cache: Option<Cache>,
    /// Where to note the invalidation instead of applying it.
    transaction: Option<TransactionLog>,
    /// For `crash_safe` resources.
    hold: Option<Hold>,
}

#[derive(Debug)]
struct Target {
    selection: Selection,
    scopes: Scopes,
}

#[derive(Debug)]
enum Scopes {
    Known(ScopeValues),
    FromResult,
}

impl Plan {
    /// Starts a plan; `cache` is what the attribute's `cache = expr` named.
    pub fn begin(_module: &'static str, _function: &'static str, on: On, cache: Option<&Cache>) -> Self {
        let cache = cache.cloned().or_else(context::cache);
        if cache.is_none() {
            absent::note();
        }
        let cache = cache.filter(|cache| cache.inner.store.is_some());
        Self {
            on,
            tenant: None,
            targets: Vec::new(),
            cache,
            transaction: context::transaction(),
            hold: None,
        }
    }

    /// The attribute's `tenant`, or the argument `tenant_id`.
    pub fn tenant<T: Display + ?Sized>(&mut self, tenant: &T) {
        if self.cache.is_some() {
            self.tenant = Some(escape(tenant).into());
        }
    }

    /// A target whose scope values are known on entry.
    pub fn target(&mut self, selection: Selection, scopes: ScopeValues) {
        self.targets.push(Target {
            selection,
            scopes: Scopes::Known(scopes),
        });
    }

    /// A target whose scope values come from the result. Their values are what the closure of [`invalidating`] returns, in
    /// the order of the calls of this method.
    pub fn target_from_result(&mut self, selection: Selection) {
        self.targets.push(Target {
            selection,
            scopes: Scopes::FromResult,
        });
    }

    /// The tenant is that of the call's beginning: in a drop there is no task to ask.
    fn settle_tenant(&mut self) {
        let Some(cache) = self.cache.as_ref().filter(|_| self.tenant.is_none()) else {
            return;
        };
        // Where a tenant is required and missing, nothing was cached but what tenants share.
        self.tenant = context::tenant_or_default(&cache.inner.settings);
    }

    /// Brackets the body if a target is `crash_safe`: the writer enters the hold, *then* what is stored becomes unusable, and
    /// nothing is stored until the hold is left. Scopes that are known only after the body are widened to the resource.
    async fn enter_hold(&mut self) {
        let Some(cache) = &self.cache else { return };
        let mut before = Invalidation::default();
        let mut settle = Duration::ZERO;
        for Target { selection, scopes } in &self.targets {
            let scopes = match scopes {
                Scopes::Known(scopes) => &scopes[..],
                Scopes::FromResult => &[],
            };
            for resource in selection.resources() {
                if let Some(crash_safe) = resource.crash_safe() {
                    before.add(self.tenant.as_deref(), resource, scopes);
                    settle = settle.max(crash_safe.settle);
                }
            }
        }
        if !before.is_empty() {
            self.hold = Hold::enter(cache, before.stamps(), settle).await;
            cache.inner.prepare(before).await;
        }
    }

    /// `from_result` has one element for each target that waits for the result; without, these are widened to the whole
    /// resource.
    fn take(&mut self, from_result: Option<Vec<ScopeValues>>) -> Option<(Cache, Invalidation)> {
        let cache = self.cache.take()?;
        let mut from_result = from_result.into_iter().flatten();
        let mut invalidation = Invalidation::default();
        for Target { selection, scopes } in self.targets.drain(..) {
            let scopes = match scopes {
                Scopes::Known(scopes) => scopes,
                Scopes::FromResult => from_result.next().unwrap_or_default(),
            };
            for resource in selection.resources() {
                invalidation.add(self.tenant.as_deref(), resource, &scopes);
            }
        }
        Some((cache, invalidation))
    }

    async fn apply(mut self, from_result: Option<Vec<ScopeValues>>) {
        let Some((cache, invalidation)) = self.take(from_result) else {
            return;
        };
        let hold = self.hold.take();
        if let Some(transaction) = self.transaction.take() {
            transaction.note(cache, invalidation, hold);
            return;
        }
        // Pending or not, the mutation's own result is what its caller gets.
        cache.inner.apply(invalidation).await;
        if let Some(hold) = hold {
            hold.release().await;
        }
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
        match self.transaction.take() {
            Some(transaction) => transaction.note(cache, invalidation, self.hold.take()),
            None => Arc::clone(&cache.inner).apply_later(invalidation),
        }
    }
}

/// Runs `body` and applies the plan. `scopes` is called with the value after success, once, and gives one element for each
/// [`Plan::target_from_result`].
pub async fn invalidating<R, S, C, F>(mut plan: Plan, _shape: S, scopes: C, body: Pin<&mut F>) -> R
where
    S: Shape<R>,
    C: FnOnce(&S::Value) -> Vec<ScopeValues>,
    F: Future<Output = R>,
{
    plan.settle_tenant();
    plan.enter_hold().await;
    let returned = body.await;
    if S::succeeded(&returned) {
        let from_result = S::value(&returned).map(scopes);
        plan.apply(from_result).await;
    } else if plan.on == On::Always {
        plan.apply(None).await;
    } else {
        plan.dismiss().await;
    }
    returned
}
