//! Whose a request is.

use std::{fmt, sync::Arc};

use ::http::{HeaderName, request::Parts};
use percent_encoding::percent_decode_str;

use crate::key::DEFAULT_TENANT;

/// The longest name that is taken from a client, in bytes.
const LONGEST: usize = 128;

/// Where a request names its tenant.
///
/// What a client writes into a header or a path is its own word: take it only behind something that has checked it, or from clients that
/// may see everything. A claim of a token that an authentication layer has verified comes through a [function](Self::from_fn).
#[derive(Clone)]
pub struct TenantSource(Kind);

type TenantFunction = Arc<dyn Fn(&Parts) -> Option<String> + Send + Sync>;

#[derive(Clone)]
enum Kind {
    Header(HeaderName),
    Path(PathPattern),
    Function(TenantFunction),
}

/// What becomes of a request that names no tenant. One that names an impossible one is always rejected.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum MissingTenant {
    /// It is answered with `400 Bad Request`, and the service does not see it.
    #[default]
    Reject,
    /// It is of the tenant `default`, as a call outside of any tenant is: for services that were not built for tenants.
    Default,
    /// Its calls run uncached ([`bypass`](crate::bypass)): for what is asked before anybody has signed in. What its mutations invalidate
    /// is that of the tenant `default`.
    Bypass,
}

impl TenantSource {
    /// A header, as a gateway sets it. Given twice, empty, not UTF-8, longer than 128 bytes, with control characters or with blanks around
    /// it, it names nobody, and the request is rejected. So is one that says `default`: that is the tenant of requests without one, and not to be
    /// had for the asking.
    ///
    /// # Panics
    ///
    /// If `name` can be no name of a header.
    pub fn header(name: &str) -> Self {
        match name.parse::<HeaderName>() {
            Ok(name) => Self(Kind::Header(name)),
            Err(error) => panic!("{name:?} is no name of a header: {error}"),
        }
    }

    /// A segment of the path: `/api/{tenant}` of everything below `/api`. A path that does not begin like this names no tenant. As for
    /// [`header`](Self::header) some names are rejected. It is percent-decoded.
    ///
    /// It is the path as the layer sees it: in axum that of a nested router begins where it is nested.
    ///
    /// # Panics
    ///
    /// If `pattern` does not begin with `/`, or has not exactly one segment in braces.
    pub fn path(pattern: &str) -> Self {
        match PathPattern::new(pattern) {
            Some(pattern) => Self(Kind::Path(pattern)),
            None => panic!("{pattern:?} is no path with one segment in braces, like /api/{{tenant}}"),
        }
    }

    /// What a function says that is given the head of the request: what a layer around this one has put into its extensions, such as the claims of a
    /// token that it has verified. `None` is a request that names no tenant.
    ///
    /// This is the service's own word: `default` is taken, too. Only an empty name is rejected.
    ///
    /// ```
    /// use cache_runtime::http::TenantSource;
    ///
    /// #[derive(Clone)]
    /// struct Claims { tenant: String } // put there by the layer that authenticates
    ///
    /// let source = TenantSource::from_fn(|request| Some(request.extensions.get::<Claims>()?.tenant.clone()));
    /// # drop(source);
    /// ```
    pub fn from_fn(tenant: impl Fn(&Parts) -> Option<String> + Send + Sync + 'static) -> Self {
        Self(Kind::Function(Arc::new(tenant)))
    }

    /// The tenant of a request, if it names one.
    ///
    /// # Errors
    ///
    /// What is wrong with the name.
    pub(super) fn tenant(&self, parts: &Parts) -> Result<Option<String>, Malformed> {
        match &self.0 {
            Kind::Header(name) => {
                let mut values = parts.headers.get_all(name).iter();
                let Some(value) = values.next() else { return Ok(None) };
                if values.next().is_some() {
                    return Err(Malformed("is given twice"));
                }
                let value = str::from_utf8(value.as_bytes()).map_err(|_| Malformed("is not UTF-8"))?;
                checked(value).map(Some)
            }
            Kind::Path(pattern) => {
                let Some(segment) = pattern.segment(parts.uri.path()) else {
                    return Ok(None);
                };
                let decoded = percent_decode_str(segment).decode_utf8();
                checked(&decoded.map_err(|_| Malformed("is not UTF-8"))?).map(Some)
            }
            Kind::Function(tenant) => match tenant(parts) {
                Some(tenant) if tenant.is_empty() => Err(Malformed("is empty")),
                tenant => Ok(tenant),
            },
        }
    }
}

impl fmt::Debug for TenantSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_tuple("TenantSource");
        match &self.0 {
            Kind::Header(name) => shown.field(name),
            Kind::Path(PathPattern { before }) => shown.field(before),
            Kind::Function(_) => shown.field(&"a function"),
        };
        shown.finish()
    }
}

/// What is wrong with the name of a tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Malformed(pub(super) &'static str);

/// A name that a client may have.
fn checked(name: &str) -> Result<String, Malformed> {
    if name.is_empty() {
        Err(Malformed("is empty"))
    } else if name.len() > LONGEST {
        Err(Malformed("is longer than 128 bytes"))
    } else if name.chars().any(char::is_control) {
        Err(Malformed("has control characters"))
    } else if name.trim() != name {
        Err(Malformed("has blanks around it"))
    } else if name == DEFAULT_TENANT {
        Err(Malformed("is that of requests without one"))
    } else {
        Ok(name.to_owned())
    }
}

/// The segments of a path in front of the one that names the tenant.
#[derive(Debug, Clone)]
struct PathPattern {
    before: Arc<[String]>,
}

impl PathPattern {
    /// `None` if it is none. What comes after the tenant is for people alone: any path may go on there.
    fn new(pattern: &str) -> Option<Self> {
        let segments: Vec<&str> = pattern.strip_prefix('/')?.split('/').collect();
        let is_name = |segment: &&str| segment.starts_with('{') && segment.ends_with('}');
        let at = segments.iter().position(is_name)?;
        let is_only = !segments[at + 1..].iter().any(is_name);
        let before = segments[..at].iter().map(|&segment| segment.to_owned());
        is_only.then(|| Self {
            before: before.collect(),
        })
    }

    fn segment<'a>(&self, path: &'a str) -> Option<&'a str> {
        let mut segments = path.strip_prefix('/')?.split('/');
        for expected in &*self.before {
            if segments.next()? != expected {
                return None;
            }
        }
        segments.next()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_is_found_behind_what_the_pattern_says() {
        let pattern = PathPattern::new("/api/{tenant}/rates").unwrap();
        for (path, segment) in [
            ("/api/a/rates", Some("a")),
            ("/api/a", Some("a")),
            ("/api/", Some("")),
            ("/api", None),
            ("/apis/a", None),
            ("/", None),
            ("*", None),
            ("//api/a", None),
        ] {
            assert_eq!(pattern.segment(path), segment, "{path}");
        }
        assert_eq!(PathPattern::new("/{tenant}").unwrap().segment("/a/b"), Some("a"));
        for wrong in ["", "{tenant}", "/api", "/{a}/{b}", "/a{b}"] {
            assert!(PathPattern::new(wrong).is_none(), "{wrong}");
        }
    }
}
