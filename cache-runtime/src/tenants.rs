//! Which tenants a cache has been asked for, as far as one that was forgotten can be told by them.

use std::{
    borrow::Cow,
    sync::{
        OnceLock,
        atomic::{AtomicBool, Ordering},
    },
};

use crate::{cache::Inner, context, key::DEFAULT_TENANT};

/// The tenants of one cache: none, one, or several.
#[derive(Debug, Default)]
pub(crate) struct Tenants {
    first: OnceLock<String>,
    several: AtomicBool,
    warned: AtomicBool,
}

impl Tenants {
    /// Notes a tenant (escaped). Returns whether there are several from now on.
    fn note(&self, tenant: &str) -> bool {
        self.first.get_or_init(|| tenant.to_owned()) != tenant
            && !self.several.load(Ordering::Relaxed)
            && !self.several.swap(true, Ordering::Relaxed)
    }

    /// A call names none, which `what` says for the log. With several tenants that is likely to be a mistake; it is said once.
    pub(crate) fn note_missing(&self, what: &str) {
        if self.several.load(Ordering::Relaxed) && !self.warned.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                "{what} is used without a tenant, in a process with several: that is the tenant `{DEFAULT_TENANT}`. A task that \
                 is spawned by `tokio::spawn` has lost its tenant; `cache_runtime::spawn` carries it on. What all tenants share \
                 is declared with `tenant = shared`"
            );
        }
    }
}

impl Inner {
    /// A call names this tenant (escaped).
    pub(crate) fn note_tenant(&self, tenant: &str) {
        if self.tenants.note(tenant) {
            // What is known of a call is not looked at again: those without a tenant are to be found when they are made again.
            self.recent.clear();
        }
    }

    /// The task's tenant, escaped, else the default one; `None` where a tenant is required. `what` asks for it.
    pub(crate) fn tenant_of_task(&self, what: &str) -> Option<Cow<'static, str>> {
        let tenant = context::tenant_or_default(&self.settings)?;
        match &tenant {
            Cow::Owned(tenant) => self.note_tenant(tenant),
            Cow::Borrowed(_) => self.tenants.note_missing(what),
        }
        Some(tenant)
    }
}
