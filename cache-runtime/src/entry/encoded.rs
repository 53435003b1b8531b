//! A value that is kept and returned as its JSON: what a hit has no need to decode, and its caller no need to encode.

use std::{any::type_name, cell::Cell, fmt, hash, marker::PhantomData};

use bytes::Bytes;
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{DeserializeOwned, IntoDeserializer, value::Error as NoValue},
    ser::Error as _,
};

/// The JSON of a `T`: a result whose hits go out as they are stored.
///
/// A handler that answers with the JSON of a cached value decodes it only to encode it again. A function that returns
/// `Encoded<T>` in place of `T` hands out the bytes of the entry: a hit decodes nothing, encodes nothing and copies nothing, unless
/// the entry is compressed.
///
/// ```
/// # mod cache_resources { cache_runtime::resources! { invoices_list { ttl = 60, scope(company: i64) } } }
/// # #[derive(serde::Serialize, serde::Deserialize, PartialEq, Debug)] struct Invoice { id: i64 }
/// # async fn rows(company: i64) -> Vec<Invoice> { vec![Invoice { id: company }] }
/// use cache_runtime::{Encoded, cached};
///
/// #[cached(resource = "invoices_list", scope(company))]
/// async fn invoices(company: i64) -> Result<Encoded<Vec<Invoice>>, serde_json::Error> {
///     Encoded::new(&rows(company).await)
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), serde_json::Error> {
/// let page = invoices(7).await?;
/// assert_eq!(page.bytes(), r#"[{"id":7}]"#);
/// assert_eq!(page.decode()?, [Invoice { id: 7 }]);
/// // With axum: `([(CONTENT_TYPE, "application/json")], page.into_bytes())`.
/// # Ok(()) }
/// ```
///
/// What is stored is what a function that returns the `T` would store as JSON, with the same fingerprint of its structure: the one may
/// become the other, and neither refuses the other's entries. It is JSON whatever the function's `codec`. Nothing looks into the bytes of a hit:
/// the entry has shown that it is of this function, of these arguments and of this type, and that it is whole; who can write something else
/// under all that can write JSON, too. If others than your programs can write to the store, sign entries
/// ([`CacheBuilder::signing_key`](crate::CacheBuilder::signing_key)).
///
/// What JSON cannot say of a value is lost in [`new`](Self::new), for the load as for its hits.
///
/// As part of a larger value it is written and read as the `T` would be, which takes as long as that, and a little more.
pub struct Encoded<T> {
    json: Bytes,
    of: PhantomData<fn() -> T>,
}

impl<T> Encoded<T> {
    /// Encodes a value.
    ///
    /// # Errors
    ///
    /// If it cannot be written as JSON: a map whose keys are no texts, or a `Serialize` of its own that fails.
    pub fn new(value: &T) -> serde_json::Result<Self>
    where
        T: Serialize,
    {
        Ok(Self::of(serde_json::to_vec(value)?.into()))
    }

    /// The value.
    ///
    /// # Errors
    ///
    /// If the JSON is no value of this type: because what the type writes is not what it reads, or because the bytes of an entry
    /// are not what was stored.
    pub fn decode(&self) -> serde_json::Result<T>
    where
        T: DeserializeOwned,
    {
        serde_json::from_slice(&self.json)
    }

    /// The JSON.
    pub const fn bytes(&self) -> &Bytes {
        &self.json
    }

    /// The JSON, to send it.
    pub fn into_bytes(self) -> Bytes {
        self.json
    }

    const fn of(json: Bytes) -> Self {
        Self { json, of: PhantomData }
    }
}

impl<T> Clone for Encoded<T> {
    fn clone(&self) -> Self {
        Self::of(self.json.clone())
    }
}

/// The JSON is the same, byte for byte.
impl<T> PartialEq for Encoded<T> {
    fn eq(&self, other: &Self) -> bool {
        self.json == other.json
    }
}

impl<T> Eq for Encoded<T> {}

impl<T> hash::Hash for Encoded<T> {
    fn hash<H: hash::Hasher>(&self, state: &mut H) {
        self.json.hash(state);
    }
}

impl<T> AsRef<[u8]> for Encoded<T> {
    fn as_ref(&self) -> &[u8] {
        &self.json
    }
}

impl<T> From<Encoded<T>> for Bytes {
    fn from(encoded: Encoded<T>) -> Self {
        encoded.json
    }
}

/// Not the JSON: it may be long, and nobody's business.
impl<T> fmt::Debug for Encoded<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Encoded<{}>({} bytes)", type_name::<T>(), self.json.len())
    }
}

thread_local! {
    /// JSON on its way into an [`Encoded`] or out of it, past serde: which knows no bytes that two own.
    static PASSED: Cell<Option<Bytes>> = const { Cell::new(None) };

    /// Whether the next [`Encoded`] that is serialised is to pass its JSON.
    static ASKED: Cell<bool> = const { Cell::new(false) };
}

impl<T: Serialize + DeserializeOwned> Serialize for Encoded<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if ASKED.take() {
            PASSED.set(Some(self.json.clone()));
            return serializer.serialize_unit();
        }
        self.decode().map_err(S::Error::custom)?.serialize(serializer)
    }
}

impl<'de, T: Serialize + DeserializeOwned> Deserialize<'de> for Encoded<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if let Some(json) = PASSED.take() {
            return Ok(Self::of(json));
        }
        let value = T::deserialize(deserializer)?;
        Self::new(&value).map_err(serde::de::Error::custom)
    }
}

/// The JSON of a value that is an [`Encoded`]; `None` of any other.
pub(super) fn json_of<T: Serialize>(value: &T) -> Option<Bytes> {
    if !is_encoded::<T>() {
        return None;
    }
    ASKED.set(true);
    // Nothing is written.
    let written = value.serialize(&mut serde_json::Serializer::new(std::io::sink()));
    ASKED.set(false);
    written.ok().and_then(|()| PASSED.take())
}

/// The value, if its type is [`Encoded`], of this JSON. `None` of any other type, for which nobody asks for the JSON.
pub(super) fn with_json<T: DeserializeOwned>(json: impl FnOnce() -> Bytes) -> Option<T> {
    if !is_encoded::<T>() {
        return None;
    }
    PASSED.set(Some(json()));
    let value = T::deserialize(IntoDeserializer::<NoValue>::into_deserializer(()));
    // Untouched by the `Encoded` of another release, which the program may have, too.
    let untouched = PASSED.take();
    value.ok().filter(|_| untouched.is_none())
}

/// Whether the type is an [`Encoded`]. Its name alone tells, as there is no other word for "whatever `T` is". If it did not, an `Encoded`
/// would be decoded and encoded, no more.
pub(crate) fn is_encoded<T>() -> bool {
    type_name::<T>().starts_with(concat!(module_path!(), "::Encoded<"))
}

#[cfg(test)]
mod tests {
    use super::*;

    type Rows = Vec<(u32, String)>;

    fn rows() -> Encoded<Rows> {
        Encoded::new(&vec![(1, "one".to_owned()), (2, "two".to_owned())]).unwrap()
    }

    #[test]
    fn the_bytes_are_passed_and_not_copied() {
        let json = json_of(&rows()).expect("it is an `Encoded`");
        let value: Encoded<Rows> = with_json(|| json.clone()).expect("it is an `Encoded`");
        assert_eq!(value.bytes().as_ptr(), json.as_ptr());
        assert_eq!(value, rows());
    }

    #[test]
    fn what_is_no_encoded_is_left_to_serde() {
        assert_eq!(json_of(&vec![rows()]), None);
        assert_eq!(json_of(&Some(rows())), None);
        assert_eq!(with_json::<Rows>(|| rows().bytes().clone()), None);
        assert_eq!(with_json::<Option<Encoded<Rows>>>(|| rows().bytes().clone()), None);
        assert!(PASSED.take().is_none() && !ASKED.get());
    }

    #[test]
    fn inside_of_another_value_it_is_what_it_stands_for() {
        let json = serde_json::to_string(&(rows(), 3)).unwrap();
        assert_eq!(json, r#"[[[1,"one"],[2,"two"]],3]"#);
        let (back, three): (Encoded<Rows>, u8) = serde_json::from_str(&json).unwrap();
        assert_eq!((back, three), (rows(), 3));
    }

    #[test]
    fn its_structure_is_that_of_what_it_stands_for() {
        use crate::entry::fingerprint::of;
        assert_eq!(of::<Encoded<Rows>>(&[]).fingerprint, of::<Rows>(&[]).fingerprint);
        assert_ne!(of::<Encoded<Rows>>(&[]).fingerprint, of::<Encoded<u8>>(&[]).fingerprint);
    }
}
