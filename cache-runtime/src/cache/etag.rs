//! The field `ETag` of a response that is made of what calls have returned: which entries they were, and so what it says.

use std::fmt::Write as _;

use super::observe::Outcomes;
use crate::entry::Revision;

/// How many bytes of the hash are said: of the tags of one resource on the web no two are the same by chance.
const SAID: usize = 16;

impl Outcomes {
    /// The value of an `ETag` field (RFC 9110, section 8.8.3) for a response that is made of what the calls have returned, and of `also`:
    /// `W/"…"`. A response with the same tag says the same, so a client that has it need not be sent it again (`304 Not Modified`).
    ///
    /// It is made of all entries whose values were returned or stored: so it changes whenever one of them is replaced, after an
    /// invalidation or at the end of its time, also if the new value is equal (but for an equal one that `refresh` stores in the same
    /// millisecond). Every process that finds the same entries says the same.
    ///
    /// `also` is what the response depends on beside the calls: the user whose name is on the page, the language, the release of the
    /// service that renders it. **What is missing there is not seen to change.** The same goes for values that do not come from calls, and for
    /// calls in tasks that were spawned without [`spawn`](crate::spawn), or after the future has returned.
    ///
    /// `None` if no call was made, or if one was answered with what is no entry: with a load that was not stored, or with that of another
    /// caller. Calls that were made by the body of another one are part of what that one has returned.
    ///
    /// ```
    /// # mod cache_resources { cache_runtime::resources! { rates { ttl = 60 } } }
    /// # #[cache_runtime::cached(resource = "rates")]
    /// # async fn rate() -> u32 { 1 }
    /// # #[cache_runtime::invalidates("rates")]
    /// # async fn publish() {}
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// # cache_runtime::Cache::builder().build().install();
    /// let etag = async || cache_runtime::observe(rate()).await.1.etag(&["en"]);
    /// let first = etag().await.unwrap();
    /// assert_eq!(etag().await.unwrap(), first);
    /// publish().await;
    /// assert_ne!(etag().await.unwrap(), first);
    /// # }
    /// ```
    pub fn etag(&self, also: &[&str]) -> Option<String> {
        let direct = self.traces().iter().filter(|trace| !trace.is_nested);
        let revisions: Option<Vec<Revision>> = direct.map(|trace| trace.revision).collect();
        let mut revisions = revisions.filter(|revisions| !revisions.is_empty())?;
        // Calls at once end in any order, and one that is made twice says nothing new.
        revisions.sort_unstable();
        revisions.dedup();
        let mut hasher = blake3::Hasher::new();
        hasher.update(&(revisions.len() as u64).to_le_bytes());
        for revision in revisions {
            hasher.update(&revision.bytes());
        }
        for part in also {
            hasher
                .update(&(part.len() as u64).to_le_bytes())
                .update(part.as_bytes());
        }
        let mut field = "W/\"".to_owned();
        for byte in &hasher.finalize().as_bytes()[..SAID] {
            // Writing to a String cannot fail.
            let _ = write!(field, "{byte:02x}");
        }
        field.push('"');
        Some(field)
    }
}
