use std::any::type_name;

use blake3::Hasher;
use serde::de::DeserializeOwned;

use super::{
    Fidelity, Structure,
    fidelity::Doubts,
    memory::{Memory, Path, TypeName},
    refusal::Refusal,
};

/// Requests answered at most, over all passes.
const STEPS: u32 = 100_000;

/// Fields that are left out to see what happens, at most.
const FIELDS_LEFT_OUT: usize = 256;

/// Open values from which on the rest is kept as small as it can be, and at which a pass ends: the stack is finite.
const DEEP: usize = 32;
const TOO_DEEP: usize = 64;

/// Writes down what a type asks for.
pub(super) struct Tracer {
    pub(super) memory: Memory,
    pub(super) doubts: Doubts,
    record: Hasher,
    steps_left: u32,
    place: Place,
}

/// Where the current pass is.
#[derive(Default)]
struct Place {
    /// The types of the values that are being read.
    open: Vec<TypeName>,
    /// The variants among them: index in `open`, and of the variant.
    variants: Vec<(usize, usize)>,
    path: Path,
    /// A type is inside of itself: nothing new will come, so options stay `None` and lists empty.
    closing: bool,
    /// The last request, if it did not say what it wanted. Should the pass end here, the answer was wrong.
    guessed: Option<Path>,
}

impl Tracer {
    pub(super) fn new(parts: &[&str]) -> Self {
        let mut tracer = Self {
            memory: Memory::default(),
            doubts: Doubts::default(),
            record: Hasher::new(),
            steps_left: STEPS,
            place: Place::default(),
        };
        tracer.note_all(parts);
        tracer
    }

    /// Reads one `R`; whether it came to an end.
    pub(super) fn pass<R: DeserializeOwned>(&mut self) -> bool {
        self.note("pass");
        self.doubts.expect(type_name::<R>());
        let result = R::deserialize(&mut *self);
        self.learn(&result);
        result.is_ok()
    }

    /// Reads `R` without one field after the other: which of them are made up if they are not there. Of no consequence for the
    /// fingerprint.
    pub(super) fn leave_out_fields<R: DeserializeOwned>(&mut self) {
        let record = self.record.clone();
        for field in self.memory.fields_seen().into_iter().take(FIELDS_LEFT_OUT) {
            if self.doubts.fidelity() == Fidelity::Unsure || self.is_exhausted() {
                break;
            }
            self.memory.begin_without(field);
            let _ = self.pass::<R>();
        }
        self.record = record;
    }

    pub(super) fn is_exhausted(&self) -> bool {
        self.steps_left == 0
    }

    pub(super) fn structure(&self) -> Structure {
        let mut first = [0; 8];
        first.copy_from_slice(&self.record.finalize().as_bytes()[..8]);
        Structure {
            fingerprint: u64::from_le_bytes(first),
            fidelity: self.doubts.fidelity(),
            flattens: self.doubts.flattens(),
        }
    }

    /// Writes down one request.
    pub(super) fn request(&mut self, kind: &str) -> Result<(), Refusal> {
        self.steps_left = self.steps_left.saturating_sub(1);
        if self.is_exhausted() {
            return Err(Refusal::Other);
        }
        self.place.guessed = None;
        self.doubts.asked_for(kind);
        self.note(kind);
        Ok(())
    }

    /// Writes down something that a request says. Lengths keep neighbours apart.
    pub(super) fn note(&mut self, text: &str) {
        self.note_count(text.len());
        self.record.update(text.as_bytes());
    }

    pub(super) fn note_all(&mut self, texts: &[&str]) {
        self.note_count(texts.len());
        for text in texts {
            self.note(text);
        }
    }

    pub(super) fn note_count(&mut self, count: usize) {
        self.record.update(&(count as u64).to_le_bytes());
    }

    /// Takes note of a refusal, and of the guess that led to it.
    fn learn<T>(&mut self, result: &Result<T, Refusal>) {
        let Err(refusal) = result else { return };
        if let Some(path) = self.place.guessed.take()
            && !matches!(refusal, Refusal::Missing(_))
        {
            self.memory.answer_refused(path);
        }
        match refusal {
            Refusal::Missing(name) => self.note(name),
            Refusal::Names(names) => self.note_all(names),
            Refusal::Type(expected) => self.note(expected),
            Refusal::Duplicate | Refusal::Other => {}
        }
    }

    /// Reads a value of type `name` that has parts.
    pub(super) fn open<T>(
        &mut self,
        name: TypeName,
        read: impl FnOnce(&mut Self) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        let place = &mut self.place;
        if place.open.len() == TOO_DEEP {
            return Err(Refusal::Other);
        }
        let outside = place.closing;
        if let Some(outer) = place.open.iter().rposition(|open| *open == name) {
            place.closing = true;
            for &(position, variant) in place.variants.iter().filter(|(position, _)| *position >= outer) {
                self.memory.variant_is_recursive(place.open[position], variant);
            }
        }
        place.closing |= place.open.len() >= DEEP;
        place.open.push(name);
        let result = read(self);
        self.place.open.pop();
        self.place.closing = outside;
        result
    }

    /// Reads the part `name` of the value opened last. A refusal is known to the parts around it only as one.
    pub(super) fn part<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&mut Self) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        self.place.path.push(name);
        let result = read(self);
        self.place.path.pop();
        self.learn(&result);
        result.map_err(|_| Refusal::Other)
    }

    /// Reads what an option, a list or a map of type `container` holds, or nothing: `read` is told whether to.
    pub(super) fn content<T>(
        &mut self,
        container: TypeName,
        read: impl FnOnce(&mut Self, bool) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        self.open(container, |tracer| {
            let filled = !tracer.place.closing && !tracer.memory.is_given_up(container);
            let before = tracer.memory.progress();
            let result = read(tracer, filled);
            tracer.learn(&result);
            // While refusals teach something, what is in there may still come to an end.
            if result.is_err() && tracer.memory.progress() == before {
                tracer.memory.content_refused(container);
            }
            result
        })
    }

    /// Reads one variant of the enum `name`, chosen so that in time each has its turn.
    pub(super) fn variant<T>(
        &mut self,
        name: TypeName,
        variants: &'static [&'static str],
        read: impl FnOnce(&mut Self, &'static str) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        self.open(name, |tracer| {
            let place = &mut tracer.place;
            let index = tracer
                .memory
                .choose_variant(name, variants.len(), place.closing)
                .ok_or(Refusal::Other)?;
            place.variants.push((place.open.len() - 1, index));
            let result = tracer.part(variants[index], |tracer| read(tracer, variants[index]));
            tracer.place.variants.pop();
            if result.is_err() {
                tracer.memory.variant_refused(name, index);
            }
            result
        })
    }

    /// Where a request stands that does not say what it wants.
    pub(super) fn guess(&mut self) -> Path {
        self.place.guessed = Some(self.place.path.clone());
        self.place.path.clone()
    }
}
