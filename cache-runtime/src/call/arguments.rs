//! What tells the calls of one function apart: the tenant, the scope values and the arguments.

use std::{any::TypeId, borrow::Cow, fmt::Display, sync::Arc};

use serde::Serialize;

use super::{
    compact::{Form, NotCompact},
    site::Site,
};
use crate::{
    cache::{Settings, look_at_tenant, tenant_or_default},
    entry::{Exact, Function, NotExact, identity},
    key::{
        Address, Namespace, SHARED_TENANT, ScopeValue, UNSHOWN,
        canonical::{self, CanonicalError},
        escape,
        recent::{KnownCall, LastTags},
        scope_value,
    },
    resource::Tenancy,
    task::Gate,
};

/// Room for the canonical JSON of usual arguments.
const USUAL_JSON: usize = 256;

/// What tells a call from others of the same function, as the store has it.
#[derive(Debug)]
pub(crate) struct Arguments {
    /// Escaped.
    pub(crate) tenant: Cow<'static, str>,
    /// In the order of the declaration.
    pub(crate) scopes: Vec<ScopeValue>,
    /// The canonical JSON object.
    pub(crate) json: Vec<u8>,
}

impl Arguments {
    /// `None` if the call is not to be cached: a tenant is required and missing, or an argument cannot be written.
    pub(crate) fn of(site: &'static Site, settings: &Settings, parts: &dyn Fn(&mut KeyWriter<'_>)) -> Option<Self> {
        let mut canonical = Canonical {
            tenant: None,
            scopes: Vec::new(),
            json: Vec::with_capacity(USUAL_JSON),
            unwritable: None,
        };
        parts(&mut KeyWriter(Parts::Canonical(&mut canonical)));
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
            (Tenancy::Shared, _) => SHARED_TENANT.into(),
            (Tenancy::PerTenant, Some(tenant)) => tenant.into(),
            (Tenancy::PerTenant, None) => tenant_or_default(settings)?,
        };
        let unshown = scopes.iter().find(|(_, value)| value == UNSHOWN).map(|(name, _)| *name);
        if let Some(name) = unshown.or_else(|| (tenant == UNSHOWN).then_some("tenant")) {
            site.warn_of(name, &"its `Display` returned an error");
            return None;
        }
        let declared = site.declared().scopes();
        scopes.sort_by_key(|(name, _)| declared.iter().position(|declared| declared == name));
        json.extend_from_slice(if json.is_empty() { b"{}" } else { b"}" });
        Some(Self { tenant, scopes, json })
    }

    /// The tenant, if one was named: `None` for the default one. Of no meaning for what tenants share.
    pub(crate) fn named_tenant(&self) -> Option<&str> {
        match &self.tenant {
            Cow::Owned(tenant) => Some(tenant),
            // A name that the program has been compiled with, and no value.
            Cow::Borrowed(_) => None,
        }
    }

    /// Where the entry of the call stands.
    ///
    /// Of a function that has keys of its own, `own` is hashed with the arguments. So is their exact form, if JSON has the same text
    /// for `Some(None)` as for `None`.
    pub(crate) fn address(
        &self,
        site: &'static Site,
        namespace: &Namespace,
        own: Option<u64>,
        exact: &Exact,
    ) -> Address {
        let resource = site.declared();
        let exact = exact.hides_none().then_some(exact.bytes());
        let hash = match (own, exact) {
            (None, None) => canonical::hash12(&self.json),
            (own, exact) => {
                // No JSON has a NUL.
                let own = own.map_or([0; 8], u64::to_le_bytes);
                canonical::hash12(&[&self.json[..], &[0], &own, exact.unwrap_or_default()].concat())
            }
        };
        let kinds = site.kinds().iter().map(|kind| namespace.kind(&self.tenant, kind));
        Address::from_escaped(namespace, &self.tenant, resource.name(), &self.scopes, digits(&hash))
            .with_kinds(kinds)
            .with_soft_stamps(resource.is_soft())
            .with_holds(resource.is_crash_safe())
    }

    /// The key of the entry of the call.
    pub(crate) fn entry_key(&self, site: &'static Site, namespace: &Namespace) -> String {
        let hash = canonical::hash12(&self.json);
        namespace.entry(&self.tenant, site.resource(), &self.scopes, digits(&hash))
    }

    /// What a call is found by where it has no compact form: the arguments are told apart by their exact one. Not what
    /// [`write_compact`] writes, so that neither is taken for the other.
    pub(crate) fn form(&self, function: Function, exact: &Exact) -> Vec<u8> {
        let Self { tenant, scopes, .. } = self;
        let mut form = function.in_process().to_vec();
        form.extend_from_slice(b"exact");
        for part in [&**tenant].into_iter().chain(scopes.iter().map(|(_, value)| &**value)) {
            // No escaped text has a NUL.
            form.extend_from_slice(part.as_bytes());
            form.push(0);
        }
        form.extend_from_slice(exact.bytes());
        form
    }
}

/// What follows from the arguments of a call of this function, in this namespace.
pub(crate) fn known_call(
    site: &'static Site,
    namespace: &Namespace,
    function: Function,
    arguments: Arguments,
    exact: &Exact,
) -> KnownCall {
    let has_own_key = site.has_own_keys();
    let own = has_own_key.then(|| function.id());
    let address = arguments.address(site, namespace, own, exact);
    KnownCall {
        has_own_key,
        tags: LastTags::default(),
        refreshes: Gate::default(),
        fingerprint: identity::fingerprint(&address, exact.bytes()),
        address: Arc::new(address),
        tenant: arguments.tenant,
    }
}

fn digits(hash: &[u8; 12]) -> &str {
    str::from_utf8(hash).expect("hex digits are ASCII")
}

/// Writes what a call is found by in the form that is quick to write, and returns its length.
///
/// # Errors
///
/// If there is no such form, or not enough room for it in `out`.
pub(crate) fn write_compact(
    out: &mut [u8],
    site: &'static Site,
    function: &Function,
    settings: &Settings,
    parts: &dyn Fn(&mut KeyWriter<'_>),
) -> Result<usize, NotCompact> {
    let mut form = Form::new(out);
    form.write_function(function)?;
    let mut key = KeyWriter(Parts::Compact(Compact::new(form)));
    parts(&mut key);
    // By reference: a copy of what was just written piece by piece has to wait for the pieces.
    let Parts::Compact(compact) = &mut key.0 else {
        return Err(NotCompact::NoForm);
    };
    compact.written?;
    if !compact.has_tenant && site.declared().tenancy() == Tenancy::PerTenant {
        compact.write_task_tenant(settings)?;
    }
    Ok(compact.form.len())
}

/// As [`write_compact`], of one of several ids.
///
/// # Errors
///
/// As there.
pub(crate) fn write_compact_sharing(
    out: &mut [u8],
    site: &'static Site,
    function: &Function,
    settings: &Settings,
    parts: &dyn Fn(&mut KeyWriter<'_>),
    shared: &mut SharedParts,
) -> Result<usize, NotCompact> {
    shared.begin();
    let mut form = Form::new(out);
    form.write_function(function)?;
    let mut key = KeyWriter(Parts::Sharing(Compact::new(form), shared));
    parts(&mut key);
    let Parts::Sharing(mut compact, shared) = key.0 else {
        return Err(NotCompact::NoForm);
    };
    let has_tenant = compact.has_tenant || site.declared().tenancy() == Tenancy::Shared;
    if !has_tenant && shared.begin_part(&mut compact) {
        compact.write_task_tenant(settings)?;
        shared.end_part(&compact);
    }
    compact.written?;
    shared.has_tenant = compact.has_tenant;
    shared.is_complete = true;
    Ok(compact.form.len())
}

/// What the compact forms of the ids of one call have in common: it is written for the first of them, and copied for the others.
#[derive(Debug, Default)]
pub(crate) struct SharedParts {
    /// One after the other.
    bytes: Vec<u8>,
    /// Where each ends.
    ends: Vec<usize>,
    has_tenant: bool,
    /// Whether they are of a form that was written to its end.
    is_complete: bool,
    /// How many have been copied to the form that is being written.
    copied: usize,
    /// Where the one begins in it that is being written.
    from: usize,
}

impl SharedParts {
    /// A form is begun.
    fn begin(&mut self) {
        if !self.is_complete {
            *self = Self::default();
        }
        self.copied = 0;
    }

    /// Copies the next part to a form. Returns whether it is to be written instead, up to [`end_part`](Self::end_part).
    fn begin_part(&mut self, compact: &mut Compact<'_>) -> bool {
        self.from = compact.form.len();
        compact.has_tenant |= self.has_tenant;
        let Some(part) = self.next() else { return true };
        compact.write(|form| form.put_all(part));
        false
    }

    fn end_part(&mut self, compact: &Compact<'_>) {
        self.bytes.extend_from_slice(&compact.form.written()[self.from..]);
        self.ends.push(self.bytes.len());
    }

    /// The next part; `None` if it is to be written.
    fn next(&mut self) -> Option<&[u8]> {
        let end = *self.ends.get(self.copied).filter(|_| self.is_complete)?;
        let from = self.copied.checked_sub(1).map_or(0, |before| self.ends[before]);
        self.copied += 1;
        Some(&self.bytes[from..end])
    }
}

/// The exact form of all arguments; `None` if one has none.
pub(crate) fn exact(parts: &dyn Fn(&mut KeyWriter<'_>)) -> Option<Exact> {
    let mut exact = Some(Exact::default());
    parts(&mut KeyWriter(Parts::Exact(&mut exact)));
    exact
}

/// What tells a call from others of its function, while it is written.
pub struct KeyWriter<'k>(Parts<'k>);

enum Parts<'k> {
    /// What it is found by in this process.
    Compact(Compact<'k>),
    /// The same of one of several ids, and what they have in common.
    Sharing(Compact<'k>, &'k mut SharedParts),
    /// What it is found by in the store.
    Canonical(&'k mut Canonical),
    /// What its entry must prove: the arguments, as serde tells them apart. `None` once one could not be written.
    Exact(&'k mut Option<Exact>),
}

struct Compact<'o> {
    form: Form<'o>,
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

impl KeyWriter<'_> {
    /// Begins what is the same for all ids of a call. Returns whether it is to be written, up to [`end_shared`](Self::end_shared).
    pub fn begin_shared(&mut self) -> bool {
        match &mut self.0 {
            Parts::Sharing(compact, shared) => shared.begin_part(compact),
            Parts::Compact(_) | Parts::Canonical(_) | Parts::Exact(_) => true,
        }
    }

    /// Ends what is the same for all ids of a call, if it was to be written.
    pub fn end_shared(&mut self) {
        if let Parts::Sharing(compact, shared) = &mut self.0 {
            shared.end_part(compact);
        }
    }

    /// The attribute's `tenant`, or the argument `tenant_id`.
    pub fn tenant<T: Display + ?Sized>(&mut self, tenant: &T) {
        match &mut self.0 {
            Parts::Compact(compact) | Parts::Sharing(compact, _) => {
                compact.has_tenant = true;
                compact.write(|form| form.write_display(tenant));
            }
            Parts::Canonical(canonical) => canonical.tenant = Some(escape(tenant)),
            Parts::Exact(_) => {}
        }
    }

    /// One scope value; `None` is "nobody".
    pub fn scope<S: Display + ?Sized>(&mut self, name: &'static str, value: Option<&S>) {
        match (&mut self.0, value) {
            (Parts::Compact(compact) | Parts::Sharing(compact, _), Some(value)) => {
                compact.write(|form| form.write_display(value));
            }
            (Parts::Compact(compact) | Parts::Sharing(compact, _), None) => {
                compact.write(|form| form.write(&None::<()>));
            }
            (Parts::Canonical(canonical), value) => canonical.scopes.push((name, scope_value(value))),
            (Parts::Exact(_), _) => {}
        }
    }

    /// One scope value that is an argument in the key, too.
    #[inline]
    pub fn scope_of_arg<S: Display + ?Sized + 'static>(&mut self, name: &'static str, value: Option<&S>) {
        match self.0 {
            // What the argument says is all there is to say.
            Parts::Compact(_) | Parts::Sharing(..) if shows_what_it_is::<S>() => {}
            _ => self.scope(name, value),
        }
    }

    /// One argument or key expression; given in ascending order of the names.
    #[inline]
    pub fn arg<T: KeyArg<W> + ?Sized, W>(&mut self, name: &'static str, value: &T, _: W) {
        if let Parts::Compact(compact) = &mut self.0 {
            compact.write(|form| form.write(value));
        } else {
            self.arg_at_length(name, value);
        }
    }

    /// As [`arg`](Self::arg), in the forms that are not quick to write.
    #[cold]
    #[inline(never)]
    fn arg_at_length<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) {
        match &mut self.0 {
            Parts::Compact(compact) | Parts::Sharing(compact, _) => compact.write(|form| form.write(value)),
            Parts::Canonical(canonical) => canonical.arg(name, |json| canonical::write(json, value)),
            Parts::Exact(exact) => write_exact(exact, name, |exact| exact.write(value)),
        }
    }

    /// As [`arg`](Self::arg), of a set, whose elements come in another order each time.
    pub fn set<'v, S: ?Sized, W>(&mut self, name: &'static str, value: &'v S, _: W)
    where
        &'v S: IntoIterator<Item: KeyArg<W>>,
    {
        match &mut self.0 {
            Parts::Compact(compact) | Parts::Sharing(compact, _) => compact.write(|_| Err(NotCompact::NoForm)),
            Parts::Canonical(canonical) => canonical.arg(name, |json| write_set(json, value.into_iter())),
            Parts::Exact(exact) => write_exact(exact, name, |exact| exact.write_set(value.into_iter())),
        }
    }
}

fn write_exact(exact: &mut Option<Exact>, name: &str, write: impl FnOnce(&mut Exact) -> Result<(), NotExact>) {
    let written = exact.as_mut().map(|exact| {
        exact.name(name);
        write(exact)
    });
    if let Some(Err(_)) = written {
        *exact = None;
    }
}

/// Parts that come in any order, as a list of canonical JSON.
fn write_set<T: Serialize>(json: &mut Vec<u8>, parts: impl Iterator<Item = T>) -> Result<(), CanonicalError> {
    let mut members = Vec::new();
    for part in parts {
        let mut member = Vec::new();
        canonical::write(&mut member, &part)?;
        members.push(member);
    }
    members.sort_unstable();
    json.push(b'[');
    json.extend_from_slice(&members.join(&b", "[..]));
    json.push(b']');
    Ok(())
}

/// Whether values of this type that serialise alike are shown alike. Known of those that scopes are usually of.
fn shows_what_it_is<T: ?Sized + 'static>() -> bool {
    let this = TypeId::of::<T>();
    macro_rules! any_of {
        ($($ty:ty)*) => { $(this == TypeId::of::<$ty>())||* };
    }
    any_of!(i8 i16 i32 i64 i128 isize u8 u16 u32 u64 u128 usize bool char str String)
}

impl<'o> Compact<'o> {
    fn new(form: Form<'o>) -> Self {
        Self {
            form,
            has_tenant: false,
            written: Ok(()),
        }
    }

    #[inline]
    fn write(&mut self, part: impl FnOnce(&mut Form<'o>) -> Result<(), NotCompact>) {
        if self.written.is_ok() {
            self.written = part(&mut self.form);
        }
    }

    /// Writes the tenant that the task has.
    #[inline]
    fn write_task_tenant(&mut self, settings: &Settings) -> Result<(), NotCompact> {
        match look_at_tenant(|tenant| self.form.write(&Some(tenant))) {
            Some(written) => written,
            None if settings.require_tenant => Err(NotCompact::NoForm),
            None => self.form.write(&None::<&str>),
        }
    }
}

impl Canonical {
    fn arg(&mut self, name: &'static str, write: impl FnOnce(&mut Vec<u8>) -> Result<(), CanonicalError>) {
        if self.unwritable.is_some() {
            return;
        }
        let separator: &[u8] = if self.json.is_empty() { b"{" } else { b", " };
        self.json.extend_from_slice(separator);
        canonical::write_text(&mut self.json, name);
        self.json.extend_from_slice(b": ");
        if let Err(cause) = write(&mut self.json) {
            self.unwritable = Some((name, cause));
        }
    }
}

/// What can be part of a key.
///
/// `W` says nothing: it is the type of [`in_key`], which has no name. So the compiler does not offer this bound for a type parameter,
/// where the user could not write it, and the note below offers what can be written.
#[diagnostic::on_unimplemented(
    message = "an argument of type `{Self}` cannot be part of a cache key: it does not implement `serde::Serialize`",
    label = "not serialisable",
    note = "put what matters into the key: `independent(user), key(user.id)`; or derive `Serialize` for it, or write `T: serde::Serialize` of a type parameter",
    note = "a handle, such as a pool or a client, is left out of the key with `skip(...)`",
    note = "what a handler extracts is taken apart there (`Path(id): Path<i64>`): cache the function below the handler, which takes the `id`"
)]
pub trait KeyArg<W>: Serialize {}

#[diagnostic::do_not_recommend]
impl<T: Serialize + ?Sized, W> KeyArg<W> for T {}

/// Goes with every argument, for the sake of its type.
pub const fn in_key() {}
