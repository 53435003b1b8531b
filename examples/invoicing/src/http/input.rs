//! Reading requests field by field, so that every complaint names its field.
use std::{borrow::Cow, collections::BTreeMap, ops::RangeInclusive};

use axum::{
    body::Bytes,
    extract::{FromRequest, FromRequestParts, RawPathParams, Request},
    http::request::Parts,
};
use serde_json::value::RawValue;

use crate::{day::Day, error::AppError, model::Paging, money::Money, services::dashboard::Period, user::User};

/// The fields of a query or a body that nobody asked for yet.
#[derive(Debug)]
pub(super) struct Fields {
    given: BTreeMap<String, Raw>,
    known: Vec<&'static str>,
}

/// A field's value as it came.
#[derive(Debug)]
pub(super) enum Raw {
    /// From a query: text that may stand for anything.
    Text(String),
    /// From a body: JSON, where a string is not a number.
    Json(Box<RawValue>),
}

/// What a field can be read as.
pub(super) trait Field: Sized {
    /// What is accepted, to be read after "must be".
    const ACCEPTED: &'static str;

    /// The value, if it is one.
    fn read(raw: &Raw) -> Option<Self>;
}

impl Fields {
    /// The field's value.
    pub(super) fn required<T: Field>(&mut self, name: &'static str) -> Result<T, AppError> {
        let value = self.optional(name)?;
        value.ok_or_else(|| AppError::missing(name, format!("is missing; it must be {}", T::ACCEPTED)))
    }

    /// The field's value, if it was given. `null` and an empty query parameter stand for one that was not.
    pub(super) fn optional<T: Field>(&mut self, name: &'static str) -> Result<Option<T>, AppError> {
        self.known.push(name);
        let Some(raw) = self.given.remove(name).filter(|raw| !raw.is_nothing()) else {
            return Ok(None);
        };
        let value = T::read(&raw);
        value
            .map(Some)
            .ok_or_else(|| AppError::invalid(name, format!("must be {}", T::ACCEPTED), raw.shown()))
    }

    /// A whole number in `range`, if one was given.
    pub(super) fn within(&mut self, name: &'static str, range: RangeInclusive<i64>) -> Result<Option<i64>, AppError> {
        match self.optional::<i64>(name)? {
            Some(value) if !range.contains(&value) => {
                let problem = format!("must be from {} to {}", range.start(), range.end());
                Err(AppError::invalid(name, problem, value.to_string()))
            }
            value => Ok(value),
        }
    }

    /// A text of at most `most` characters that is not blank, if one was given.
    pub(super) fn text(&mut self, name: &'static str, most: usize) -> Result<Option<String>, AppError> {
        let Some(text) = self.optional::<String>(name)? else {
            return Ok(None);
        };
        let length = text.chars().count();
        if text.trim().is_empty() || length > most {
            let problem = format!("must be a text of 1 to {most} characters");
            return Err(AppError::invalid(
                name,
                problem,
                text.chars().take(most).collect::<String>(),
            ));
        }
        Ok(Some(text))
    }

    /// An amount that an invoice or a movement can have, if one was given.
    pub(super) fn amount(&mut self, name: &'static str) -> Result<Option<Money>, AppError> {
        match self.optional::<Money>(name)? {
            Some(amount) if amount > Money::MAX_INPUT || amount < -Money::MAX_INPUT => {
                let problem = format!("must be at most {} either way", Money::MAX_INPUT);
                Err(AppError::invalid(name, problem, amount.to_string()))
            }
            amount => Ok(amount),
        }
    }

    /// The page that was asked for, or the first one of fifty items.
    pub(super) fn paging(&mut self) -> Result<Paging, AppError> {
        let page = self.within("page", 1..=1_000_000)?.unwrap_or(1);
        let page_size = self.within("page_size", 1..=500)?.unwrap_or(50);
        Ok(Paging { page, page_size })
    }

    /// The company that was asked for.
    ///
    /// The user's permission is checked here, where no reader of a company can pass it by, and before the cached method
    /// is called: a check inside that method would run when the result is loaded, and never on a hit.
    pub(super) fn readable_company(&mut self, user: &User) -> Result<i64, AppError> {
        let company = self.required("company")?;
        user.may_read(company)?;
        Ok(company)
    }

    /// A change has to name something to change.
    pub(super) fn not_empty(&self) -> Result<(), AppError> {
        if self.given.is_empty() {
            return Err(AppError::missing("body", "names nothing to change"));
        }
        Ok(())
    }

    /// To be called when every field has been asked for: what is left is a mistake.
    pub(super) fn finish(self) -> Result<(), AppError> {
        let Some((name, raw)) = self.given.into_iter().next() else {
            return Ok(());
        };
        let problem = match self.known.as_slice() {
            [] => "is not accepted; there are no fields here".to_owned(),
            known => format!("is not one of the fields here: {}", known.join(", ")),
        };
        Err(AppError::invalid(name, problem, raw.shown()))
    }
}

/// The query of a request.
#[derive(Debug)]
pub(super) struct Query(pub(super) Fields);

impl<S: Sync> FromRequestParts<S> for Query {
    type Rejection = AppError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, AppError> {
        let mut given = BTreeMap::new();
        for (name, value) in form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes()) {
            if given.contains_key(&*name) {
                return Err(AppError::invalid(name, "is given twice", value));
            }
            given.insert(name.into_owned(), Raw::Text(value.into_owned()));
        }
        Ok(Self(Fields {
            given,
            known: Vec::new(),
        }))
    }
}

/// The JSON object in the body of a request; an empty body is an empty object.
#[derive(Debug)]
pub(super) struct Body(pub(super) Fields);

impl<S: Send + Sync> FromRequest<S> for Body {
    type Rejection = AppError;

    async fn from_request(request: Request, state: &S) -> Result<Self, AppError> {
        let bytes = Bytes::from_request(request, state)
            .await
            .map_err(|error| AppError::missing("body", format!("cannot be read: {error}")))?;
        if bytes.is_empty() {
            return Ok(Self(Fields {
                given: BTreeMap::new(),
                known: Vec::new(),
            }));
        }
        let given: BTreeMap<String, Box<RawValue>> = serde_json::from_slice(&bytes)
            .map_err(|error| AppError::missing("body", format!("must be a JSON object: {error}")))?;
        let given = given
            .into_iter()
            .map(|(name, value)| (name, Raw::Json(value)))
            .collect();
        Ok(Self(Fields {
            given,
            known: Vec::new(),
        }))
    }
}

/// The `{id}` in the path of a request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Id(pub(super) i64);

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = AppError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, AppError> {
        let given = RawPathParams::from_request_parts(parts, state)
            .await
            .map_err(|error| AppError::missing("id", format!("cannot be read: {error}")))?;
        let id = given
            .iter()
            .find_map(|(name, value)| (name == "id").then_some(value))
            .unwrap_or_default();
        id.parse()
            .map(Self)
            .map_err(|_| AppError::invalid("id", format!("must be {}", i64::ACCEPTED), id))
    }
}

impl Raw {
    fn is_nothing(&self) -> bool {
        match self {
            Self::Text(text) => text.is_empty(),
            Self::Json(value) => value.get() == "null",
        }
    }

    /// The value as it was written; a JSON string keeps its quotes and so is no number.
    fn literal(&self) -> &str {
        match self {
            Self::Text(text) => text,
            Self::Json(value) => value.get(),
        }
    }

    /// The value as text, if it can be one.
    fn text(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Text(text) => Some(Cow::Borrowed(text)),
            Self::Json(value) => serde_json::from_str::<String>(value.get()).ok().map(Cow::Owned),
        }
    }

    /// What to show in a complaint: not more than fits a line.
    fn shown(&self) -> String {
        self.literal().chars().take(100).collect()
    }
}

impl Field for i64 {
    const ACCEPTED: &'static str = "a whole number";

    fn read(raw: &Raw) -> Option<Self> {
        raw.literal().parse().ok()
    }
}

impl Field for Vec<i64> {
    const ACCEPTED: &'static str = "a list of whole numbers";

    fn read(raw: &Raw) -> Option<Self> {
        serde_json::from_str(raw.literal()).ok()
    }
}

impl Field for bool {
    const ACCEPTED: &'static str = "true or false";

    fn read(raw: &Raw) -> Option<Self> {
        raw.literal().parse().ok()
    }
}

impl Field for String {
    const ACCEPTED: &'static str = "a text";

    fn read(raw: &Raw) -> Option<Self> {
        raw.text().map(Cow::into_owned)
    }
}

impl Field for Money {
    const ACCEPTED: &'static str = "a decimal number with at most two decimals, such as 1250.00";

    fn read(raw: &Raw) -> Option<Self> {
        Self::parse(raw.literal())
    }
}

impl Field for Day {
    const ACCEPTED: &'static str = "a day such as 2025-03-31";

    fn read(raw: &Raw) -> Option<Self> {
        Self::parse(&raw.text()?)
    }
}

impl Field for Period {
    const ACCEPTED: &'static str = "3m, 6m, 12m or 24m";

    fn read(raw: &Raw) -> Option<Self> {
        Self::parse(&raw.text()?)
    }
}
