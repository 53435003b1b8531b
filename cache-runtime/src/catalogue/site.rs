//! What the macros submit of each annotated function: constants, for the catalogue alone.

use std::time::Duration;

use crate::{call::Site, resource::Selection};

/// A `#[cached]` function, as its attribute is written.
#[doc(hidden)]
#[derive(Debug)]
pub struct FunctionSite {
    pub(super) site: &'static Site,
    pub(super) ttl: Option<Duration>,
    pub(super) computed_ttl: Option<&'static str>,
    pub(super) scopes: &'static [NameAndText],
    pub(super) key: &'static [&'static str],
    pub(super) left_out: &'static [&'static str],
    pub(super) tags: &'static [NameAndText],
    pub(super) each: Option<&'static str>,
    pub(super) when: Option<&'static str>,
    /// Texts in the body that may be statements which write.
    pub(super) literals: &'static [&'static str],
}

/// A scope or a kind of tags, and the expression of its value.
pub(super) type NameAndText = (&'static str, &'static str);

impl FunctionSite {
    /// Without options.
    pub const fn new(site: &'static Site) -> Self {
        Self {
            site,
            ttl: None,
            computed_ttl: None,
            scopes: &[],
            key: &[],
            left_out: &[],
            tags: &[],
            each: None,
            when: None,
            literals: &[],
        }
    }

    /// The attribute's `ttl`, if it is written out.
    #[must_use]
    pub const fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = Some(ttl);
        self
    }

    /// The attribute's `ttl`, if it is an expression or a closure.
    #[must_use]
    pub const fn computed_ttl(mut self, text: &'static str) -> Self {
        self.computed_ttl = Some(text);
        self
    }

    /// The attribute's `scope`.
    #[must_use]
    pub const fn scopes(mut self, scopes: &'static [NameAndText]) -> Self {
        self.scopes = scopes;
        self
    }

    /// The names of the parts of the key.
    #[must_use]
    pub const fn key(mut self, names: &'static [&'static str]) -> Self {
        self.key = names;
        self
    }

    /// The attribute's `skip` and `independent`.
    #[must_use]
    pub const fn left_out(mut self, names: &'static [&'static str]) -> Self {
        self.left_out = names;
        self
    }

    /// The attribute's `tags`.
    #[must_use]
    pub const fn tags(mut self, tags: &'static [NameAndText]) -> Self {
        self.tags = tags;
        self
    }

    /// The attribute's `each`.
    #[must_use]
    pub const fn each(mut self, each: &'static str) -> Self {
        self.each = Some(each);
        self
    }

    /// The attribute's `when`.
    #[must_use]
    pub const fn when(mut self, when: &'static str) -> Self {
        self.when = Some(when);
        self
    }

    /// Texts in the body that may be statements which write.
    #[must_use]
    pub const fn literals(mut self, literals: &'static [&'static str]) -> Self {
        self.literals = literals;
        self
    }
}

/// An `#[invalidates]` function, as its attribute is written.
#[doc(hidden)]
#[derive(Debug)]
pub struct MutationSite {
    /// The name of a type that is declared in the function's body.
    pub(super) marker: fn() -> &'static str,
    /// File and line.
    pub(super) place: &'static str,
    pub(super) targets: &'static [TargetSite],
    pub(super) always: bool,
    pub(super) soft: bool,
    pub(super) detached: bool,
}

impl MutationSite {
    /// Without options.
    pub const fn new(marker: fn() -> &'static str, place: &'static str, targets: &'static [TargetSite]) -> Self {
        Self {
            marker,
            place,
            targets,
            always: false,
            soft: false,
            detached: false,
        }
    }

    /// The attribute's `on = "always"`.
    #[must_use]
    pub const fn always(mut self) -> Self {
        self.always = true;
        self
    }

    /// The attribute's `soft`.
    #[must_use]
    pub const fn soft(mut self) -> Self {
        self.soft = true;
        self
    }

    /// The attribute's `detach`.
    #[must_use]
    pub const fn detached(mut self) -> Self {
        self.detached = true;
        self
    }
}

/// A target of `#[invalidates]`, as it is written.
#[doc(hidden)]
#[derive(Debug)]
pub struct TargetSite {
    pub(super) name: &'static str,
    pub(super) selection: Selection,
    pub(super) scopes: &'static [NameAndText],
    pub(super) when: Option<&'static str>,
}

impl TargetSite {
    /// Without scope values.
    pub const fn new(name: &'static str, selection: Selection) -> Self {
        Self {
            name,
            selection,
            scopes: &[],
            when: None,
        }
    }

    /// The scope values; of a tag its values.
    #[must_use]
    pub const fn scopes(mut self, scopes: &'static [NameAndText]) -> Self {
        self.scopes = scopes;
        self
    }

    /// The condition.
    #[must_use]
    pub const fn when(mut self, when: &'static str) -> Self {
        self.when = Some(when);
        self
    }
}
