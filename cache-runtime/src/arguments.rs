//! What tells the calls of one function apart: the tenant, the scope values and the arguments.

use std::{any::TypeId, fmt::Display};

use serde::Serialize;

use crate::{
    builder::Settings,
    canonical::{self, CanonicalError},
    compact::{self, NotCompact},
    context,
    key::{Address, SHARED_TENANT, ScopeValue, escape},
    resource::Tenancy,
    site::Site,
};

/// What tells a call from others of the same function, as the store has it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(crate) struct Arguments {
    /// Escaped.
    pub(crate) tenant: String,
    /// In the order of the declaration.
    pub(crate) scopes: Vec<ScopeValue>,
    /// The canonical JSON object.
    pub(crate) json: Vec<u8>,
}

impl Arguments {
    /// `None` if the call is not to be cached: a tenant is required and missing, or an argument cannot be written.
    pub(crate) fn of(site: &'static Site, settings: &Settings, parts: &dyn Fn(&mut Key<'_>)) -> Option<Self> {
        let mut canonical = Canonical {
            tenant: None,
            scopes: Vec::new(),
            json: Vec::with_capacity(128),
            unwritable: None,
        };
        parts(&mut Key(Form::Canonical(&mut canonical)));
        let Canonical {
            tenant,
            mut scopes,
            mut json,
            unwritable,
        } = canonical;
        if let Some((argument, cause)) = unwritable {
            site.warn_of(argument, &cause);
            return None;
        }
        let tenant = match (site.declared().tenancy(), tenant) {
            (Tenancy::Shared, _) => SHARED_TENANT.to_owned(),
            (Tenancy::PerTenant, Some(tenant)) => tenant,
            (Tenancy::PerTenant, None) => context::tenant_or_default(settings)?,
        };
        let declared = site.declared().scopes();
        scopes.sort_by_key(|(name, _)| declared.iter().position(|declared| declared == name));
        json.extend_from_slice(if json.is_empty() { b"{}" } else { b"}" });
        Some(Self { tenant, scopes, json })
    }

    /// Where the entry of the call stands.
    pub(crate) fn address(&self, site: &'static Site) -> Address {
        let hash = canonical::hash12(&self.json);
        let hash = str::from_utf8(&hash).expect("hex digits are ASCII");
        let resource = site.declared();
        Address::from_escaped(&self.tenant, resource.name(), &self.scopes, hash).with_holds(resource.is_crash_safe())
    }

    /// Writes what a call is found by where it has no compact form, beside what [`write_compact`] writes, so that neither is
    /// taken for the other.
    pub(crate) fn write_form(&self, out: &mut Vec<u8>, site: &'static Site, function: &'static str) {
        let Self { tenant, scopes, json } = self;
        out.clear();
        compact::write_function(out, site, function);
        out.extend_from_slice(b"canonical");
        for part in [tenant].into_iter().chain(scopes.iter().map(|(_, value)| value)) {
            // No escaped text has a NUL.
            out.extend_from_slice(part.as_bytes());
            out.push(0);
        }
        out.extend_from_slice(json);
    }
}

/// Writes what a call is found by to `out`, in the form that is quick to write. Fails if there is none.
pub(crate) fn write_compact(
    out: &mut Vec<u8>,
    site: &'static Site,
    function: &'static str,
    settings: &Settings,
    parts: &dyn Fn(&mut Key<'_>),
) -> Result<(), NotCompact> {
    compact::write_function(out, site, function);
    let mut compact = Compact {
        out: std::mem::take(out),
        has_tenant: false,
        written: Ok(()),
    };
    parts(&mut Key(Form::Compact(&mut compact)));
    *out = compact.out;
    compact.written?;
    if compact.has_tenant || site.declared().tenancy() == Tenancy::Shared {
        return Ok(());
    }
    match context::tenant() {
        None if settings.require_tenant => Err(NotCompact),
        tenant => compact::write(out, &tenant.as_deref()),
    }
}

/// What tells a call from others of its function, while it is written.
pub struct Key<'k>(Form<'k>);

enum Form<'k> {
    /// What it is found by in this process.
    Compact(&'k mut Compact),
    /// What it is found by in the store.
    Canonical(&'k mut Canonical),
}

struct Compact {
    out: Vec<u8>,
    has_tenant: bool,
    written: Result<(), NotCompact>,
}

struct Canonical {
    /// Escaped.
    tenant: Option<String>,
    /// In the order of the attribute.
    scopes: Vec<ScopeValue>,
    /// The canonical JSON of the arguments, while it grows.
    json: Vec<u8>,
    unwritable: Option<(&'static str, CanonicalError)>,
}

impl Key<'_> {
    /// The attribute's `tenant`, or the argument `tenant_id`.
    pub fn tenant<T: Display + ?Sized>(&mut self, tenant: &T) {
        match &mut self.0 {
            Form::Compact(compact) => {
                compact.has_tenant = true;
                compact.write(|out| compact::write_display(out, tenant));
            }
            Form::Canonical(canonical) => canonical.tenant = Some(escape(tenant)),
        }
    }

    /// One scope value.
    pub fn scope<T: Display + ?Sized>(&mut self, name: &'static str, value: &T) {
        match &mut self.0 {
            Form::Compact(compact) => compact.write(|out| compact::write_display(out, value)),
            Form::Canonical(canonical) => canonical.scopes.push((name, escape(value))),
        }
    }

    /// One scope value that is an argument in the key, too.
    #[inline]
    pub fn scope_of_arg<T: Display + ?Sized + 'static>(&mut self, name: &'static str, value: &T) {
        match self.0 {
            // What the argument says is all there is to say.
            Form::Compact(_) if shows_what_it_is::<T>() => {}
            _ => self.scope(name, value),
        }
    }

    /// One argument or key expression; given in ascending order of the names.
    #[inline]
    pub fn arg<T: KeyArg + ?Sized>(&mut self, name: &'static str, value: &T) {
        match &mut self.0 {
            Form::Compact(compact) => compact.write(|out| compact::write(out, value)),
            Form::Canonical(canonical) => canonical.arg(name, value),
        }
    }
}

/// Whether values of this type that serialise alike are shown alike. Known of those that scopes are usually of.
fn shows_what_it_is<T: ?Sized + 'static>() -> bool {
    let this = TypeId::of::<T>();
    macro_rules! any_of {
        ($($ty:ty)*) => { $(this == TypeId::of::<$ty>())||* };
    }
    any_of!(i8 i16 i32 i64 i128 isize u8 u16 u32 u64 u128 usize bool char str String)
}

impl Compact {
    #[inline]
    fn write(&mut self, part: impl FnOnce(&mut Vec<u8>) -> Result<(), NotCompact>) {
        if self.written.is_ok() {
            self.written = part(&mut self.out);
        }
    }
}

impl Canonical {
    fn arg<T: KeyArg + ?Sized>(&mut self, name: &'static str, value: &T) {
        if self.unwritable.is_some() {
            return;
        }
        let separator: &[u8] = if self.json.is_empty() { b"{" } else { b", " };
        self.json.extend_from_slice(separator);
        let written = canonical::write(&mut self.json, name).and_then(|()| {
            self.json.extend_from_slice(b": ");
            canonical::write(&mut self.json, value)
        });
        if let Err(cause) = written {
            self.unwritable = Some((name, cause));
        }
    }
}

/// What can be part of a key.
#[diagnostic::on_unimplemented(
    message = "an argument of type `{Self}` cannot be part of a cache key: it does not implement `serde::Serialize`",
    label = "not serialisable",
    note = "leave it out of the key with `skip(...)`, or derive `Serialize` for it"
)]
pub trait KeyArg: Serialize {}

#[diagnostic::do_not_recommend]
impl<T: Serialize + ?Sized> KeyArg for T {}
