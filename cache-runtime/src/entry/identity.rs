//! What an entry must prove before it is decoded: that it is of these arguments and of this function and type.
//!
//! In the process a function is its [`Item`], and its instance a [`TypeId`]. Between processes it is the path of the item that was
//! annotated, with its type arguments. A path that more than one item may have, because it leads through an anonymous constant
//! or the body of a function, is not enough: then the compiler's identity of the item, its text and its place count, too. Whatever
//! may have been another item in another build is refused, and moved lines matter only there.

use std::{
    any::{TypeId, type_name},
    collections::HashMap,
    hash::{Hash, Hasher},
    panic::catch_unwind,
    sync::LazyLock,
};

use serde::de::DeserializeOwned;

use super::fingerprint::{self, Fidelity, Structure};
use crate::{key::Address, sync::Mutex};

/// 128 bits over the address and the exact form of the arguments. The key's 48 bits are an address; this tells
/// argument sets apart that share one, also those that JSON does not tell apart.
pub(crate) fn fingerprint(address: &Address, arguments: &[u8]) -> [u8; 16] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(address.entry().as_bytes()).update(&[0]).update(arguments);
    let mut fingerprint = [0; 16];
    fingerprint.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
    fingerprint
}

/// The item that was annotated, as its expansion sees it.
#[derive(Debug)]
pub struct Item {
    /// The path of the module that it stands in.
    module: &'static str,
    /// Its name.
    name: &'static str,
    /// The name of a type that is declared in the item's body: the item's path, and [`MARKER`].
    path: fn() -> &'static str,
    /// The identity of that type.
    id: fn() -> TypeId,
    /// File, line and column.
    place: &'static str,
    /// A hash of the item's tokens.
    text: u64,
}

/// The name of the type that is declared in the body of every annotated item.
const MARKER: &str = "::__CacheItem";

/// The path of the item that has the marker of this path in its body.
pub(crate) fn path_of_marker(marker: &'static str) -> &'static str {
    marker.strip_suffix(MARKER).unwrap_or(marker)
}

impl Item {
    /// What the expansion knows of the item.
    pub const fn new(
        module: &'static str,
        name: &'static str,
        path: fn() -> &'static str,
        id: fn() -> TypeId,
        place: &'static str,
        text: u64,
    ) -> Self {
        Self {
            module,
            name,
            path,
            id,
            place,
            text,
        }
    }

    pub(crate) const fn module(&self) -> &'static str {
        self.module
    }

    pub(crate) const fn name(&self) -> &'static str {
        self.name
    }

    /// The path, without arguments.
    pub(crate) fn path(&self) -> &'static str {
        path_of_marker((self.path)())
    }

    /// File, line and column.
    pub(crate) const fn place(&self) -> &'static str {
        self.place
    }
}

/// How sure it is that no other item of the program has the same path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Uniqueness {
    Certain,
    /// A type in the path may be one of several of its name.
    Likely,
    /// The path leads through an anonymous constant, or the body of a function.
    Doubtful,
}

fn uniqueness(path: &str, module: &str, function: &str) -> Uniqueness {
    if path.contains("::_::") {
        return Uniqueness::Doubtful;
    }
    let is_of_this_module = |path: &str| {
        let name = path.strip_prefix(module).and_then(|rest| rest.strip_prefix("::"));
        // Arguments aside, a type's name in one word.
        name.is_some_and(|name| {
            let name = name.split('<').next().unwrap_or(name);
            name.starts_with(char::is_uppercase) && !name.contains("::")
        })
    };
    if let Some(implementation) = path.strip_prefix('<') {
        let of = implementation.split(" as ").next().unwrap_or(implementation);
        return if is_of_this_module(of) {
            Uniqueness::Certain
        } else {
            Uniqueness::Likely
        };
    }
    let parent = path
        .strip_suffix(function)
        .and_then(|parent| parent.strip_suffix("r#").unwrap_or(parent).strip_suffix("::"));
    match parent {
        Some(parent) if parent == module || is_of_this_module(parent) => Uniqueness::Certain,
        _ => Uniqueness::Doubtful,
    }
}

/// An annotated function; of a generic one, one of its instances.
#[derive(Clone, Copy)]
pub(crate) struct Function {
    item: &'static Item,
    /// The name of a type that only this instance has.
    name: &'static str,
    /// Its identity. Functions that return different ones are different functions, so the address tells instances apart, too.
    ty: fn() -> TypeId,
}

impl Function {
    /// The instance to which the type `B` belongs: its body, or a closure in it.
    pub(crate) fn of<B: ?Sized>(item: &'static Item) -> Self {
        Self {
            item,
            name: type_name::<B>(),
            ty: identity_of::<B>,
        }
    }

    /// The instance, among those of its item.
    pub(crate) fn instance(&self) -> TypeId {
        (self.ty)()
    }

    /// What it is found by in this process: no two functions have closures, or bodies, of one type. A crate into which an instance is
    /// copied finds its copy by itself.
    #[inline]
    pub(crate) fn in_process(&self) -> [u8; 8] {
        (self.ty as usize as u64).to_ne_bytes()
    }

    /// What it is known by wherever it runs.
    pub(crate) fn id(&self) -> u64 {
        let item = self.item;
        let path = item.path();
        let mut hasher = blake3::Hasher::new();
        let mut note = |part: &[u8]| {
            hasher.update(&(part.len() as u64).to_le_bytes()).update(part);
        };
        note(self.name.as_bytes());
        // Type arguments may have the same names, too.
        if !self.name.strip_prefix(path).is_some_and(|rest| rest.starts_with("::")) {
            note(&bits(self.instance()).to_le_bytes());
        }
        let uniqueness = uniqueness(path, item.module, item.name);
        if uniqueness != Uniqueness::Certain {
            note(&bits((item.id)()).to_le_bytes());
        }
        if uniqueness == Uniqueness::Doubtful {
            note(item.place.as_bytes());
            note(&item.text.to_le_bytes());
        }
        first_bits(&hasher)
    }
}

/// Not inlined: so the compiler makes one of it for all parts of a crate that it compiles at once, and its address stands for the type.
#[inline(never)]
fn identity_of<B: ?Sized>() -> TypeId {
    typeid::of::<B>()
}

impl PartialEq for Function {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self.item, other.item) && self.instance() == other.instance()
    }
}

impl Eq for Function {}

impl Hash for Function {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.instance().hash(state);
    }
}

impl std::fmt::Debug for Function {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

/// 64 bits of a type's identity, which are the same in every process of one build.
#[inline]
fn bits(ty: TypeId) -> u64 {
    struct Bits(u64);

    impl Hasher for Bits {
        fn finish(&self) -> u64 {
            self.0
        }

        fn write(&mut self, bytes: &[u8]) {
            for chunk in bytes.chunks(8) {
                let mut word = [0; 8];
                word[..chunk.len()].copy_from_slice(chunk);
                self.write_u64(u64::from_le_bytes(word));
            }
        }

        #[inline]
        fn write_u64(&mut self, word: u64) {
            self.0 = self.0.rotate_left(5) ^ word;
        }
    }

    let mut bits = Bits(0);
    ty.hash(&mut bits);
    bits.finish()
}

fn first_bits(hasher: &blake3::Hasher) -> u64 {
    let mut first = [0; 8];
    first.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
    u64::from_le_bytes(first)
}

/// The fingerprint of a function and of the structure of what it stores: half of it each, so that an entry of another function can
/// be told from one of another build.
pub(crate) fn shape(function: u64, structure: u64) -> u64 {
    function & FUNCTION | structure & !FUNCTION
}

/// The bits of a shape that tell the function.
const FUNCTION: u64 = !0 << 32;

/// Whether two shapes are of the same function.
pub(crate) fn is_same_function(one: u64, other: u64) -> bool {
    (one ^ other) & FUNCTION == 0
}

/// The structure of a type. Takes up to milliseconds.
pub(crate) fn structure_of<T: DeserializeOwned>(version: u32) -> Structure {
    let parts = [type_name::<T>(), &version.to_string()];
    // A hand-written `Deserialize` may panic at the dummies it is given. Then the names have to do.
    catch_unwind(|| fingerprint::of::<T>(&parts)).unwrap_or_else(|_| Structure {
        fidelity: Fidelity::Unsure,
        ..fingerprint::of::<()>(&parts)
    })
}

/// The shape of values that belong to no function.
pub(crate) fn shape_by_key<T: DeserializeOwned>() -> u64 {
    static KNOWN: LazyLock<Mutex<HashMap<TypeId, u64>>> = LazyLock::new(Mutex::default);
    let ty = typeid::of::<T>();
    let known = || KNOWN.lock();
    if let Some(&shape) = known().get(&ty) {
        return shape;
    }
    let shape = shape(0, structure_of::<T>(0).fingerprint);
    known().insert(ty, shape);
    shape
}

#[cfg(test)]
mod tests {
    use super::{Uniqueness, uniqueness};

    #[test]
    fn a_path_is_certain_if_it_leads_through_modules_and_a_type_of_its_own_module() {
        for (path, expected) in [
            ("app::m::list", Uniqueness::Certain),
            ("app::m::Repo::list", Uniqueness::Certain),
            ("app::m::Repo<_>::list", Uniqueness::Certain),
            ("app::m::Repo<app::n::Row>::list", Uniqueness::Certain),
            ("<app::m::Repo as app::Finder>::list", Uniqueness::Certain),
            ("<app::n::Repo as app::Finder>::list", Uniqueness::Likely),
            ("<u8 as app::Finder>::list", Uniqueness::Likely),
            ("app::m::outer::list", Uniqueness::Doubtful),
            ("app::m::outer::Repo::list", Uniqueness::Doubtful),
            ("app::m::_::list", Uniqueness::Doubtful),
            ("app::m::_::Repo::list", Uniqueness::Doubtful),
            ("<app::m::_::Repo as app::Finder>::list", Uniqueness::Doubtful),
        ] {
            assert_eq!(uniqueness(path, "app::m", "list"), expected, "{path}");
        }
    }
}
