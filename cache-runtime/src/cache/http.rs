//! What HTTP calls the outcomes of calls: the fields `Cache-Status` (RFC 9211) and `Cache-Control` (RFC 9111) of a response that is
//! made of what the calls have returned.

use std::{
    fmt::{self, Display, Write as _},
    time::Duration,
};

use super::observe::{Freshness, ObservedCall, Outcome, Outcomes};

/// The largest integer of a structured field (RFC 9651, section 3.3.1).
const LARGEST_INTEGER: u64 = 999_999_999_999_999;

impl Outcomes {
    /// The value of a `Cache-Status` field (RFC 9211) of a response that is made of what the calls have returned; `None` if
    /// none was made. `cache` is what this cache is called there, as the service, for example; what is no printable ASCII in it
    /// is `?`.
    ///
    /// One member of the field's list is one cache, whatever the number of calls: `hit` if it has answered all of them, else the
    /// reason of the first one that was not. A response that went through other caches has a list of theirs already, to which this one
    /// is added at the end.
    ///
    /// | member | is said if |
    /// |---|---|
    /// | `invoicing; hit; ttl=42` | all calls were answered; `ttl` is the least time that is left to what they returned, below zero if that was over |
    /// | `invoicing; fwd=miss; stored` | one had to load; `stored` if all that was loaded was stored, `collapsed` if all was loaded by other calls |
    /// | `invoicing; fwd=miss; detail=rejected` | as before, and what was there was refused |
    /// | `invoicing; fwd=request` | it was told to load anew: [`refresh`](crate::refresh) |
    /// | `invoicing; fwd=bypass` | the cache was not asked, or has not answered |
    ///
    /// `detail` is also `near_hit` and `stale_hit`.
    ///
    /// ```
    /// # mod cache_resources { cache_runtime::resources! { rates { ttl = 60 } } }
    /// # #[cache_runtime::cached(resource = "rates")]
    /// # async fn rate() -> u32 { 1 }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// # cache_runtime::Cache::builder().jitter(0.0).build().install();
    /// let (_, outcomes) = cache_runtime::observe(rate()).await;
    /// assert_eq!(outcomes.cache_status("invoicing").unwrap(), "invoicing; fwd=miss; ttl=60; stored");
    /// # }
    /// ```
    pub fn cache_status(&self, cache: &str) -> Option<String> {
        self.member(cache, || None)
    }

    /// As [`cache_status`](Self::cache_status), with the reason why the cache was not asked, a token, as its `detail`.
    #[cfg(feature = "http")]
    pub(crate) fn cache_status_because(
        &self,
        cache: &str,
        because: impl FnOnce() -> Option<&'static str>,
    ) -> Option<String> {
        self.member(cache, because)
    }

    /// The same of a request that was answered without this cache, and without its service.
    #[cfg(feature = "http")]
    pub(crate) fn unanswered(cache: &str, because: &'static str) -> String {
        let mut field = Item(cache).to_string();
        push(&mut field, "detail", because);
        field
    }

    fn member(&self, cache: &str, because: impl FnOnce() -> Option<&'static str>) -> Option<String> {
        let decisive = self.decisive()?;
        let mut field = Item(cache).to_string();
        match reason(decisive.outcome) {
            None => field.push_str("; hit"),
            Some(reason) => push(&mut field, "fwd", reason),
        }
        if let Some(ttl) = self.freshness().map(ttl) {
            push(&mut field, "ttl", ttl);
        }
        if !decisive.outcome.is_hit() {
            if self.all_loaded(|call| call.stored) {
                field.push_str("; stored");
            }
            if self.all_loaded(|call| call.shared) {
                field.push_str("; collapsed");
            }
        }
        let detail = match decisive.outcome {
            Outcome::Bypass => because(),
            outcome => detail(outcome),
        };
        if let Some(detail) = detail {
            push(&mut field, "detail", detail);
        }
        Some(field)
    }

    /// The value of a `Cache-Control` field for a response that is made of what the calls have returned, and of nothing else:
    /// `private, max-age=42`, with the least time that is left to any of it; `no-cache` if that is not known of all, or if no call
    /// was made.
    ///
    /// What HTTP keeps is not invalidated: a browser that is told `max-age=42` shows what it has for so long, whatever was changed
    /// meanwhile. Where that must not be, write `no-cache`, with an `ETag`. For caches that are shared by users write a field of your own,
    /// with [`max_age`](Self::max_age).
    pub fn cache_control(&self) -> String {
        self.max_age().map_or_else(
            || "no-cache".to_owned(),
            |max_age| format!("private, max-age={}", max_age.as_secs()),
        )
    }

    /// The least time that is left to anything that the calls have returned, zero if it is over; `None` if that is not known of
    /// all, or if no call was made.
    pub fn max_age(&self) -> Option<Duration> {
        self.freshness().map(|freshness| match freshness {
            Freshness::Fresh(left) => left,
            Freshness::Stale(_) => Duration::ZERO,
        })
    }

    /// The first call that was not answered by the cache; else one of the oldest values, else the first one.
    fn decisive(&self) -> Option<&ObservedCall> {
        let loaded = self.iter().find(|call| !call.outcome.is_hit());
        let stale = || self.iter().find(|call| call.outcome == Outcome::StaleHit);
        loaded.or_else(stale).or_else(|| self.iter().next())
    }

    /// That of the value which is over first.
    fn freshness(&self) -> Option<Freshness> {
        let all: Option<Vec<Freshness>> = self.iter().map(|call| call.freshness).collect();
        all?.into_iter().min_by_key(|&freshness| ttl(freshness))
    }

    fn all_loaded(&self, are: impl Fn(&ObservedCall) -> bool) -> bool {
        self.iter().filter(|call| !call.outcome.is_hit()).all(are)
    }
}

/// Whole seconds, below zero of what is over, as far as an integer of a structured field goes.
fn ttl(freshness: Freshness) -> i64 {
    let seconds = |time: Duration| i64::try_from(time.as_secs().min(LARGEST_INTEGER)).unwrap_or(i64::MAX);
    match freshness {
        Freshness::Fresh(left) => seconds(left),
        Freshness::Stale(past) => -seconds(past),
    }
}

/// Why the cache has not answered.
fn reason(outcome: Outcome) -> Option<&'static str> {
    match outcome {
        Outcome::Hit | Outcome::NearHit | Outcome::StaleHit => None,
        Outcome::Miss | Outcome::Rejected => Some("miss"),
        Outcome::Bypass => Some("bypass"),
        Outcome::Refreshed => Some("request"),
    }
}

/// What the other parameters do not say.
fn detail(outcome: Outcome) -> Option<&'static str> {
    match outcome {
        Outcome::NearHit | Outcome::StaleHit | Outcome::Rejected => Some(outcome.as_str()),
        Outcome::Hit | Outcome::Miss | Outcome::Bypass | Outcome::Refreshed => None,
    }
}

fn push(field: &mut String, parameter: &str, value: impl Display) {
    // Writing to a String cannot fail.
    let _ = write!(field, "; {parameter}={value}");
}

/// A text as an item of a structured field: a token if it can be one, else a string (RFC 9651, sections 4.1.6 and 4.1.7).
struct Item<'a>(&'a str);

impl Display for Item<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(text) = *self;
        let begins = text.starts_with(|first: char| first.is_ascii_alphabetic() || first == '*');
        if begins && text.chars().all(is_of_token) {
            return f.write_str(text);
        }
        f.write_char('"')?;
        for character in text.chars() {
            match character {
                '"' | '\\' => write!(f, "\\{character}")?,
                ' '..='~' => f.write_char(character)?,
                _ => f.write_char('?')?,
            }
        }
        f.write_char('"')
    }
}

fn is_of_token(character: char) -> bool {
    character.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~:/".contains(character)
}
