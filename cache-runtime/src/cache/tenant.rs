//! Tenants: whose results a call is given. A task carries its tenant, and a cache knows which tenants it was asked for, as far as
//! one that was forgotten can be told by them.

use std::{
    borrow::Cow,
    fmt::Display,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
};

use super::Settings;
use crate::{
    key::{DEFAULT_TENANT, escape, shown},
    task::{ContextPart, look, scope},
};

/// A tenant, as a task carries it.
#[derive(Debug, Clone)]
struct Tenant {
    /// `None` if it cannot be displayed.
    given: Option<Arc<str>>,
    escaped: Arc<str>,
}

impl ContextPart for Tenant {
    fn spawned(self: Arc<Self>) -> Option<Arc<dyn ContextPart>> {
        Some(self)
    }
}

/// Runs a future in which `tenant` is the current tenant: what `#[cached]` and `#[invalidates]` use when neither the
/// attribute nor an argument `tenant_id` names one.
///
/// If the tenant's `Display` returns an error, nothing is cached inside, and what is invalidated is everything of all tenants.
///
/// Tasks that the future spawns do not inherit it, unless they are spawned by [`spawn`](crate::spawn).
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let answer = cache_runtime::with_tenant("client-a", async { 42 }).await;
/// # assert_eq!(answer, 42); }
/// ```
pub fn with_tenant<F: Future>(tenant: impl Display, future: F) -> impl Future<Output = F::Output> {
    let tenant = Tenant {
        escaped: escape(&tenant).into(),
        given: shown(&tenant).map(Into::into),
    };
    scope(future, move |context| context.set(tenant))
}

/// The tenant that [`with_tenant`] has set for the code that asks, as it was given there; `None` outside of any.
///
/// An attribute's `tenant`, or an argument `tenant_id`, says what the tenant of that one call is, and nothing here.
pub fn current_tenant() -> Option<Arc<str>> {
    look(|context| context.get::<Tenant>()?.given.clone())
}

/// Looks at the task's tenant, escaped, if it has one.
#[inline]
pub(crate) fn look_at_tenant<R>(look_at: impl FnOnce(&str) -> R) -> Option<R> {
    look(|context| Some(look_at(&context.get::<Tenant>()?.escaped)))
}

/// The task's tenant, escaped, else the default one; `None` where a tenant is required.
pub(crate) fn tenant_or_default(settings: &Settings) -> Option<Cow<'static, str>> {
    match look_at_tenant(str::to_owned) {
        Some(tenant) => Some(tenant.into()),
        None if settings.require_tenant => None,
        None => Some(DEFAULT_TENANT.into()),
    }
}

/// The tenants of one cache: none, one, or several.
#[derive(Debug, Default)]
pub(super) struct Tenants {
    first: OnceLock<String>,
    several: AtomicBool,
    warned: AtomicBool,
}

impl Tenants {
    /// Notes a tenant (escaped). Returns whether there are several from now on.
    pub(super) fn note(&self, tenant: &str) -> bool {
        self.first.get_or_init(|| tenant.to_owned()) != tenant
            && !self.several.load(Ordering::Relaxed)
            && !self.several.swap(true, Ordering::Relaxed)
    }

    /// Whether another one than the default one was noted.
    pub(super) fn has_named(&self) -> bool {
        let first = self.first.get().is_some_and(|first| first != DEFAULT_TENANT);
        first || self.several.load(Ordering::Relaxed)
    }

    /// A call names none, which `what` says for the log. With several tenants that is likely to be a mistake; it is said once.
    pub(super) fn note_missing(&self, what: &str) {
        if self.several.load(Ordering::Relaxed) && !self.warned.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                "{what} is used without a tenant, in a process with several: that is the tenant `{DEFAULT_TENANT}`. A task that \
                 is spawned by `tokio::spawn` has lost its tenant; `cache_runtime::spawn` carries it on. What all tenants share \
                 is declared with `tenant = shared`"
            );
        }
    }
}
