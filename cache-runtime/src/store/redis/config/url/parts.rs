//! The parts of a Redis URL: which text stands for what, and whether its characters may stand there.

use percent_encoding::percent_decode_str;

use crate::resource::distance;

/// What kind of address a scheme announces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Server,
    Socket,
    Cluster,
    Sentinel,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Scheme {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) tls: bool,
}

const fn scheme(name: &'static str, kind: Kind, tls: bool) -> Scheme {
    Scheme { name, kind, tls }
}

const SCHEMES: [Scheme; 15] = [
    scheme("redis", Kind::Server, false),
    scheme("rediss", Kind::Server, true),
    scheme("redis+unix", Kind::Socket, false),
    scheme("redis-cluster", Kind::Cluster, false),
    scheme("rediss-cluster", Kind::Cluster, true),
    scheme("redis-sentinel", Kind::Sentinel, false),
    scheme("rediss-sentinel", Kind::Sentinel, true),
    scheme("unix", Kind::Socket, false),
    scheme("valkey", Kind::Server, false),
    scheme("valkeys", Kind::Server, true),
    scheme("valkey+unix", Kind::Socket, false),
    scheme("valkey-cluster", Kind::Cluster, false),
    scheme("valkeys-cluster", Kind::Cluster, true),
    scheme("valkey-sentinel", Kind::Sentinel, false),
    scheme("valkeys-sentinel", Kind::Sentinel, true),
];

/// A scheme that is as near as this to a known one is a slip.
const SLIP: usize = 2;

/// Longer names are not repeated in a message.
const LONGEST_SHOWN: usize = 32;

/// The parts of a URL, as they are written.
#[derive(Debug)]
pub(super) struct Parts<'a> {
    pub(super) scheme: Scheme,
    /// `user:password`, either of which may be missing. A socket's stand in its parameters.
    pub(super) user: &'a str,
    /// Empty for a socket.
    pub(super) hosts: &'a str,
    /// With the `/` that it begins with, or empty.
    pub(super) path: &'a str,
    /// What stands after `?`.
    query: Option<&'a str>,
    /// What stands after `#`.
    pub(super) fragment: Option<&'a str>,
}

impl<'a> Parts<'a> {
    /// # Errors
    ///
    /// If a part is missing, or holds what it must not.
    pub(super) fn of(url: &'a str) -> Result<Self, String> {
        let url = url.trim();
        if url.is_empty() {
            return Err("it is empty".to_owned());
        }
        if url.starts_with(['"', '\'', '`']) {
            return Err("it stands in quotes, which are no part of it".to_owned());
        }
        if url.contains(|letter: char| letter.is_whitespace() || letter.is_control()) {
            return Err(
                "a space, a tab or a line end stands in it, which in a password is written %20, %09 or %0A".to_owned(),
            );
        }
        let (scheme, rest) = split_scheme(url)?;
        let (rest, fragment) = match rest.split_once('#') {
            Some((rest, fragment)) => (rest, Some(fragment)),
            None => (rest, None),
        };
        let (rest, query) = match rest.split_once('?') {
            Some((rest, query)) => (rest, Some(query)),
            None => (rest, None),
        };
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        if scheme.kind == Kind::Socket {
            if !authority.is_empty() || path.is_empty() {
                return Err(
                    "the path of a socket stands after three slashes, as in redis+unix:///path/to/socket, and nothing before \
                     it: user and password stand after it, as in ?user=app&pass=…"
                        .to_owned(),
                );
            }
            if path == "/" {
                return Err("the path of the socket is missing, as in redis+unix:///path/to/socket".to_owned());
            }
        } else if [Some(path), query, fragment]
            .into_iter()
            .flatten()
            .any(|part| part.contains('@'))
        {
            // The rest of a password would be taken for an address, and shown as one.
            return Err(
                "a `/`, `?` or `#` stands before the `@`, which in a password is written %2F, %3F or %23".to_owned(),
            );
        }
        let (user, hosts) = authority.rsplit_once('@').unwrap_or(("", authority));
        Ok(Self {
            scheme,
            user,
            hosts,
            path,
            query,
            fragment,
        })
    }

    /// The values of the parameters of these names.
    ///
    /// # Errors
    ///
    /// If there is another one, or one of them twice.
    pub(super) fn parameters<const N: usize>(&self, names: [&'static str; N]) -> Result<[Option<String>; N], String> {
        let mut values = [const { None }; N];
        let Some(query) = self.query else { return Ok(values) };
        if self.scheme.kind != Kind::Socket && self.hosts.is_empty() {
            return Ok(values);
        }
        for parameter in query.split('&') {
            let pair = parameter.split_once('=').filter(|(name, _)| is_showable(name));
            let Some((name, value)) = pair else {
                return Err(
                    "a parameter after `?` has no name and value, as in ?protocol=resp3 (in a password `?` is written %3F)"
                        .to_owned(),
                );
            };
            let Some(place) = names.iter().position(|known| *known == name) else {
                return Err(format!(
                    "the parameter `{name}` is not known here: {}",
                    self.way_out(name, &names)
                ));
            };
            let value = decoded(&value.replace('+', " "), &format!("the parameter `{name}`"))?;
            if values[place].replace(value).is_some() {
                return Err(format!("the parameter `{name}` is given twice"));
            }
        }
        Ok(values)
    }

    /// What to write in place of a parameter that is not known.
    fn way_out(&self, name: &str, known: &[&str]) -> String {
        let lower = name.to_ascii_lowercase();
        match &*lower {
            _ if self.scheme.kind == Kind::Socket => format!("`{}` are", known.join("`, `")),
            "db" | "database" => "the database stands after the host, as in /3".to_owned(),
            "user" | "username" | "pass" | "password" | "auth" => {
                "user and password stand before the host, as in redis://user:password@host".to_owned()
            }
            "ssl" | "tls" => "with TLS the URL begins with rediss".to_owned(),
            _ => format!("only `{}` is", known.join("`, `")),
        }
    }
}

fn split_scheme(url: &str) -> Result<(Scheme, &str), String> {
    let known = |name: &str| {
        SCHEMES
            .iter()
            .find(|scheme| scheme.name.eq_ignore_ascii_case(name))
            .copied()
    };
    // As the client library has always taken it: a socket's path after the colon alone.
    if let Some((name, path)) = url.split_once(':')
        && let Some(scheme) = known(name).filter(|scheme| scheme.kind == Kind::Socket)
        && path.starts_with('/')
        && !path.starts_with("//")
    {
        return Ok((scheme, path));
    }
    let named = url
        .split_once("://")
        .filter(|(name, _)| !name.is_empty() && is_showable(name));
    let Some((name, rest)) = named else {
        return Err("it does not begin with a scheme and two slashes, as in redis://localhost:6379".to_owned());
    };
    if let Some(scheme) = known(name) {
        return Ok((scheme, rest));
    }
    let lower = name.to_ascii_lowercase();
    let slips = |scheme: &Scheme| distance(&lower, scheme.name);
    let nearest = SCHEMES
        .iter()
        .min_by_key(|scheme| slips(scheme))
        .filter(|scheme| slips(scheme) <= SLIP);
    Err(match nearest {
        _ if lower.contains("tls") || lower.contains("ssl") => {
            format!("`{name}` is no scheme of Redis: with TLS it is `rediss`")
        }
        Some(nearest) => format!("`{name}` is no scheme of Redis: the nearest is `{}`", nearest.name),
        None => format!("`{name}` is no scheme of Redis"),
    })
}

/// Whether a text is the name of something, which is worth repeating.
fn is_showable(name: &str) -> bool {
    let of_a_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.' | b'_');
    !name.is_empty() && name.len() <= LONGEST_SHOWN && name.bytes().all(of_a_name)
}

/// What a text stands for in which every `%` is followed by two hexadecimal digits; `what` it is, for the message.
pub(super) fn decoded(text: &str, what: &str) -> Result<String, String> {
    let is_code = |code: &str| code.len() >= 2 && code.as_bytes()[..2].iter().all(u8::is_ascii_hexdigit);
    if !text.split('%').skip(1).all(is_code) {
        return Err(format!("{what} holds a `%` that is written %25"));
    }
    let decoded = percent_decode_str(text).decode_utf8();
    decoded.map(Into::into).map_err(|_| format!("{what} is not UTF-8"))
}
