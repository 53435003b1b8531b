//! What an invalidation by hand is refused for.

use std::fmt;

/// A name, pattern or scope that this program does not declare. A store that cannot be reached is no error, see
/// [`Invalidated::Pending`](crate::Invalidated::Pending). `Debug` is the sentence that `Display` is, for programs that return it
/// from `main`.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidateError {
    /// No resource and no group has this name.
    #[error("there is no resource or group `{name}`; {}", Similar(*similar))]
    #[non_exhaustive]
    UnknownName {
        /// As given.
        name: String,
        /// The declared name that is most like it; `None` if the program declares none at all.
        similar: Option<&'static str>,
    },
    /// No kind of tags has this name.
    #[error("there is no kind of tags `{kind}`; {}", Similar(*similar))]
    #[non_exhaustive]
    UnknownTag {
        /// As given.
        kind: String,
        /// The declared kind that is most like it; `None` if the program declares none at all.
        similar: Option<&'static str>,
    },
    /// No resource has a name that this pattern matches.
    #[error("the pattern `{pattern}` matches no resource; {}", Similar(*similar))]
    #[non_exhaustive]
    UnmatchedPattern {
        /// As given.
        pattern: String,
        /// The declared name that is most like it; `None` if the program declares none at all.
        similar: Option<&'static str>,
    },
    /// A resource that is meant does not declare this scope.
    #[error("resource `{resource}` has no scope `{scope}`: {}", Declared(declared))]
    #[non_exhaustive]
    UnknownScope {
        /// The resource's name.
        resource: &'static str,
        /// As given.
        scope: String,
        /// The scopes that the resource declares.
        declared: &'static [&'static str],
    },
    /// The group that is meant does not declare this parameter.
    #[error("group `{group}` has no parameter `{parameter}`: {}", Declared(declared))]
    #[non_exhaustive]
    UnknownParameter {
        /// The group's name.
        group: &'static str,
        /// As given.
        parameter: String,
        /// The parameters that the group declares.
        declared: &'static [&'static str],
    },
    /// [`scope_none`](crate::Invalidate::scope_none) of a scope that always has a value.
    #[error("the scope `{scope}` of resource `{resource}` is not declared as an `Option`: it is never `None`")]
    #[non_exhaustive]
    NeverNone {
        /// The resource's name.
        resource: &'static str,
        /// The scope's name.
        scope: &'static str,
    },
    /// [`soft`](crate::Invalidate::soft) of a resource that is not declared so.
    #[error("the resource `{resource}` is not declared `soft`: it can only be invalidated strictly")]
    #[non_exhaustive]
    NotSoft {
        /// The resource's name.
        resource: &'static str,
    },
}

impl fmt::Debug for InvalidateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

struct Similar(Option<&'static str>);

impl fmt::Display for Similar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(name) => write!(f, "the most similar name is `{name}`"),
            None => f.write_str("this program declares none: is the crate with its `resources!` linked?"),
        }
    }
}

struct Declared(&'static [&'static str]);

impl fmt::Display for Declared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            [] => f.write_str("it declares none"),
            names => write!(f, "it declares {}", names.join(", ")),
        }
    }
}
