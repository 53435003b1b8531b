//! The bounds on what an annotated function returns.

use serde::{Serialize, de::DeserializeOwned};

/// What can be stored.
///
/// `U` says nothing: it is the type of `unless`, a function's or a closure's, which has no name. So the compiler does not offer this bound
/// for a type parameter, where the user could not write it.
#[diagnostic::on_unimplemented(
    message = "a result of type `{Self}` cannot be cached: it does not implement both `serde::Serialize` and `serde::de::DeserializeOwned`",
    label = "not storable",
    note = "derive `Serialize` and `Deserialize` for it, and return owned data; write `T: serde::Serialize + serde::de::DeserializeOwned` of a type parameter",
    note = "a response (`Json<T>`) is made by the handler: cache the function below it, which returns the `T`"
)]
pub trait CacheValue<U>: Value {}

#[diagnostic::do_not_recommend]
impl<T: Value, U> CacheValue<U> for T {}

/// The same, inside.
pub trait Value: Serialize + DeserializeOwned {}

#[diagnostic::do_not_recommend]
impl<T: Serialize + DeserializeOwned> Value for T {}
