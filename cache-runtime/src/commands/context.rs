//! What a command works on, and where it writes.

use std::{
    fmt,
    io::{self, IsTerminal as _, Write},
    time::Duration,
};

use tokio::time::Instant;

use super::{CommandError, output::Output};
use crate::{
    Cache,
    cache::{Origin, within},
    changes::Triggers,
    inspect::Inspector,
    store::{Store, StoreErrorKind},
};

/// How long a store may take until it can be asked.
const REACHED_WITHIN: Duration = Duration::from_secs(6);

/// How often it is asked meanwhile.
const BETWEEN: Duration = Duration::from_millis(20);

/// What the commands of a service work on: its cache, and, if it follows a database, the triggers there.
pub struct CommandContext<'a> {
    cache: &'a Cache,
    triggers: Option<&'a dyn Triggers>,
    output: Box<dyn Write + Send + 'a>,
    is_terminal: bool,
}

impl fmt::Debug for CommandContext<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CommandContext")
            .field("cache", &self.cache)
            .field("is_terminal", &self.is_terminal)
            .finish_non_exhaustive()
    }
}

impl<'a> CommandContext<'a> {
    /// For this cache, writing to standard output: tables with lines if that is a terminal, and otherwise without.
    pub fn new(cache: &'a Cache) -> Self {
        Self {
            cache,
            triggers: None,
            output: Box::new(io::stdout()),
            is_terminal: io::stdout().is_terminal(),
        }
    }

    /// With the triggers of a database, for [`TriggersCommand`](super::TriggersCommand).
    #[must_use]
    pub fn with_triggers(mut self, triggers: &'a dyn Triggers) -> Self {
        self.triggers = Some(triggers);
        self
    }

    /// Writing to something else, which is no terminal.
    #[must_use]
    pub fn with_output(mut self, output: impl Write + Send + 'a) -> Self {
        self.output = Box::new(output);
        self.is_terminal = false;
        self
    }

    pub(super) fn cache(&self) -> &'a Cache {
        self.cache
    }

    pub(super) fn triggers(&self) -> Result<&'a dyn Triggers, CommandError> {
        let without = || CommandError::unusable("this program follows no database: there are no triggers");
        self.triggers.ok_or_else(without)
    }

    pub(super) fn output(&mut self) -> &mut (dyn Write + Send) {
        &mut *self.output
    }

    /// What a command says, as JSON or for people.
    pub(super) fn say(&mut self, json: bool) -> Output<'_> {
        Output::new(&mut *self.output, json, self.is_terminal)
    }

    /// The store, whether or not it answers.
    pub(super) fn store(&self) -> Result<&'a dyn Store, CommandError> {
        let engine = &self.cache.engine;
        if engine.settings.origin == Origin::NoUrl {
            return Err(CommandError::unusable(
                "REDIS_URL is not set: the entries of each process are in its own memory, where nobody else can look",
            ));
        }
        let disabled = || CommandError::unusable("the cache is disabled: there is no store to look at");
        let store = engine.upstream.store_even_if_closed().ok_or_else(disabled)?;
        Ok(&**store)
    }

    /// Who looks at the store, once the first attempt to connect has ended, however that was.
    pub(super) async fn inspector(&self) -> Result<Inspector, CommandError> {
        let store = self.store()?;
        let deadline = Instant::now() + REACHED_WITHIN;
        while let Err(error) = within(REACHED_WITHIN, "a probe", store.probe()).await {
            if error.kind() != StoreErrorKind::Connecting || Instant::now() > deadline {
                break;
            }
            tokio::time::sleep(BETWEEN).await;
        }
        let disabled = || CommandError::unusable("the cache is disabled: there is no store to look at");
        self.cache.inspector().ok_or_else(disabled)
    }

    /// The same of a store that answers. One that takes no writes may be looked at, too.
    pub(super) async fn reached(&self) -> Result<Inspector, CommandError> {
        let inspector = self.inspector().await?;
        match within(REACHED_WITHIN, "a probe", self.store()?.probe()).await {
            Err(error)
                if matches!(
                    error.kind(),
                    StoreErrorKind::Connecting | StoreErrorKind::Unavailable | StoreErrorKind::Timeout
                ) =>
            {
                Err(error.into())
            }
            _ => Ok(inspector),
        }
    }
}
