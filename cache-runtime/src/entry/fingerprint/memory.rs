//! What the passes over one type have taught.
//!
//! Types are told apart by `type_name`. It is not part of the fingerprint, and where it is ambiguous something is seen
//! less often, nothing worse.

use std::collections::BTreeMap;

/// The name of a Rust type.
pub(super) type TypeName = &'static str;

/// Whose fields: a type, and the variant if it is an enum.
pub(super) type Owner = (TypeName, &'static str);

/// Where in the value something was asked: names of fields and variants from the top.
pub(super) type Path = Vec<&'static str>;

/// Refusals of the content of one kind of option, list or map, with nothing learned, after which it stays empty.
const PATIENCE: u32 = 6;

#[derive(Default)]
pub(super) struct Memory {
    fields: BTreeMap<(Owner, &'static str), Field>,
    variants: BTreeMap<TypeName, Vec<Variant>>,
    /// Fields of structs that serde reads as maps, because of `flatten`; they tell their names one by one.
    keys: BTreeMap<TypeName, Vec<&'static str>>,
    /// Refusals of what these options, lists and maps hold.
    contents: BTreeMap<TypeName, u32>,
    answers: BTreeMap<Path, Answer>,
    /// The fields that were read, and their types.
    seen: BTreeMap<(Owner, &'static str), TypeName>,
    /// The field that is left out in this pass.
    left_out: Option<(Owner, &'static str)>,
    /// What this pass taught, apart from the variants that it was the first to visit.
    lessons: usize,
    first_visits: Vec<(TypeName, usize)>,
}

#[derive(Default)]
struct Field {
    /// Since it was last accepted.
    refusals: u32,
    ever_refused: bool,
    alias: bool,
}

#[derive(Clone, Default)]
struct Variant {
    visited: bool,
    recursive: bool,
    refused: bool,
}

/// An answer to a request that does not say what it wants.
#[derive(Clone, Copy, Default)]
pub(super) enum Answer {
    #[default]
    Unit,
    Text,
    Integer,
    Bool,
    List,
    Map,
}

impl Memory {
    /// Ends a pass; whether it taught something.
    pub(super) fn end_pass(&mut self, complete: bool) -> bool {
        let learned = self.progress() > 0;
        let first_visits = std::mem::take(&mut self.first_visits);
        let lessons = std::mem::take(&mut self.lessons);
        if !complete && lessons > 0 {
            // With what is known now, the next visit may see more.
            for (enumeration, index) in first_visits {
                self.with_variant(enumeration, index, |variant| variant.visited = false);
            }
        }
        learned
    }

    /// How much this pass taught so far.
    pub(super) fn progress(&self) -> usize {
        self.lessons + self.first_visits.len()
    }

    /// The order in which to present `fields`: those refused most often last, aliases not at all.
    pub(super) fn order(&self, owner: Owner, fields: &[&'static str]) -> Vec<&'static str> {
        let known = |field| self.fields.get(&(owner, field));
        let mut order: Vec<_> = fields
            .iter()
            .copied()
            .filter(|field| !known(*field).is_some_and(|field| field.alias))
            .collect();
        order.sort_by_key(|field| known(*field).map_or(0, |field| field.refusals));
        order
    }

    pub(super) fn field_seen(&mut self, owner: Owner, field: &'static str, ty: TypeName) {
        self.seen.insert((owner, field), ty);
    }

    /// The fields that were read in any pass.
    pub(super) fn fields_seen(&self) -> Vec<(Owner, &'static str)> {
        self.seen.keys().copied().collect()
    }

    /// From now on, this field is not there.
    pub(super) fn begin_without(&mut self, field: (Owner, &'static str)) {
        self.left_out = Some(field);
    }

    /// Takes the field that is left out from those of its owner; its type, if it was one of them.
    pub(super) fn leave_out(&self, owner: Owner, fields: &mut Vec<&'static str>) -> Option<TypeName> {
        let (_, name) = self.left_out.filter(|(of, _)| *of == owner)?;
        fields.retain(|field| *field != name);
        self.seen.get(&(owner, name)).copied()
    }

    pub(super) fn field_refused(&mut self, owner: Owner, field: &'static str) {
        let known = self.fields.entry((owner, field)).or_default();
        self.lessons += usize::from(!known.ever_refused);
        known.ever_refused = true;
        known.refusals += 1;
    }

    pub(super) fn field_accepted(&mut self, owner: Owner, field: &'static str) {
        if let Some(known) = self.fields.get_mut(&(owner, field)) {
            known.refusals = 0;
        }
    }

    pub(super) fn field_is_alias(&mut self, owner: Owner, field: &'static str) {
        self.fields.entry((owner, field)).or_default().alias = true;
        self.lessons += 1;
    }

    /// The index of the variant to present. `closing` asks for one that ends soon.
    pub(super) fn choose_variant(&mut self, enumeration: TypeName, count: usize, closing: bool) -> Option<usize> {
        let variants = self.variants.entry(enumeration).or_default();
        variants.resize(count, Variant::default());
        if !closing && let Some(index) = variants.iter().position(|variant| !variant.visited) {
            variants[index].visited = true;
            self.first_visits.push((enumeration, index));
            return Some(index);
        }
        (0..count).min_by_key(|&index| (variants[index].recursive, variants[index].refused))
    }

    pub(super) fn variant_is_recursive(&mut self, enumeration: TypeName, index: usize) {
        self.with_variant(enumeration, index, |variant| variant.recursive = true);
    }

    pub(super) fn variant_refused(&mut self, enumeration: TypeName, index: usize) {
        self.with_variant(enumeration, index, |variant| variant.refused = true);
    }

    fn with_variant(&mut self, enumeration: TypeName, index: usize, mark: impl FnOnce(&mut Variant)) {
        if let Some(variant) = self
            .variants
            .get_mut(enumeration)
            .and_then(|variants| variants.get_mut(index))
        {
            mark(variant);
        }
    }

    /// The keys that `map` asked for so far; none for a true map.
    pub(super) fn keys(&self, map: TypeName) -> &[&'static str] {
        self.keys.get(map).map_or(&[], Vec::as_slice)
    }

    pub(super) fn key_missing(&mut self, map: TypeName, key: &'static str) {
        let keys = self.keys.entry(map).or_default();
        if !keys.contains(&key) {
            keys.push(key);
            self.lessons += 1;
        }
    }

    /// Whether a value of `container` should stay empty: what it holds is refused whatever is presented.
    pub(super) fn is_given_up(&self, container: TypeName) -> bool {
        self.contents
            .get(container)
            .is_some_and(|&refusals| refusals >= PATIENCE)
    }

    pub(super) fn content_refused(&mut self, container: TypeName) {
        let refusals = self.contents.entry(container).or_default();
        *refusals += 1;
        self.lessons += usize::from(*refusals == PATIENCE);
    }

    pub(super) fn answer(&self, path: &Path) -> Answer {
        self.answers.get(path).copied().unwrap_or_default()
    }

    pub(super) fn answer_refused(&mut self, path: Path) {
        let answer = self.answers.entry(path).or_default();
        if let Some(next) = answer.next() {
            *answer = next;
            self.lessons += 1;
        }
    }
}

impl Answer {
    fn next(self) -> Option<Self> {
        Some(match self {
            Self::Unit => Self::Text,
            Self::Text => Self::Integer,
            Self::Integer => Self::Bool,
            Self::Bool => Self::List,
            Self::List => Self::Map,
            Self::Map => return None,
        })
    }
}
