//! What a Redis URL says, for one server or for several.

use std::fmt;

use percent_encoding::percent_decode_str;
use redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo};

/// What kind of Redis it is, beside the settings that are the same for all its servers.
#[derive(Clone)]
pub(in crate::store::redis) enum Shape {
    /// One server, at the address of the connection's settings.
    Server,
    /// One primary and its replicas; sentinels know which is which.
    Sentinel {
        sentinels: Vec<ConnectionAddr>,
        /// The name under which the sentinels know the primary.
        service: String,
    },
    /// Primaries that share the keys; any of these servers knows all of them.
    Cluster { seeds: Vec<ConnectionAddr> },
}

/// Addresses alone: what else they hold are certificates.
impl fmt::Debug for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |all: &[ConnectionAddr]| all.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
        match self {
            Self::Server => write!(f, "Server"),
            Self::Sentinel { sentinels, service } => write!(f, "Sentinel({}#{service})", list(sentinels)),
            Self::Cluster { seeds } => write!(f, "Cluster({})", list(seeds)),
        }
    }
}

/// Where a URL leads.
pub(super) struct Location {
    /// The first address, and what is the same for all: credentials, database, TLS.
    pub(super) info: ConnectionInfo,
    pub(super) shape: Shape,
}

const SENTINEL_PORT: u16 = 26379;

/// # Errors
///
/// What is wrong with the URL. The message does not repeat it, because it may hold a password.
pub(super) fn parse(url: &str) -> Result<Location, String> {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    if !scheme.contains("unix") && has_unescaped_password(rest) {
        return Err(
            "a `/`, `?` or `#` stands before the `@`, which in a password is written %2F, %3F or %23".to_owned(),
        );
    }
    if matches!(scheme, "rediss" | "valkeys" | "rediss-cluster" | "rediss-sentinel") {
        refuse_unsafe_tls(scheme, rest)?;
    }
    match scheme {
        "redis-cluster" => cluster("redis", rest),
        "rediss-cluster" => cluster("rediss", rest),
        "redis-sentinel" => sentinel("redis", rest),
        "rediss-sentinel" => sentinel("rediss", rest),
        _ => Ok(Location {
            info: one(url)?,
            shape: Shape::Server,
        }),
    }
}

/// Whether what ends the place of a password in a URL stands in the password itself. The rest of it would be taken for an
/// address, and shown as one.
fn has_unescaped_password(rest: &str) -> bool {
    rest.find(['/', '?', '#']).is_some_and(|end| rest[end..].contains('@'))
}

fn refuse_unsafe_tls(scheme: &str, rest: &str) -> Result<(), String> {
    if cfg!(not(feature = "tls")) {
        return Err(format!(
            "{scheme}:// needs the cargo feature `tls` of cache-runtime, which this program was built without"
        ));
    }
    if rest.ends_with("#insecure") {
        return Err("`#insecure` is not supported: give the authority that signed the server's certificate".to_owned());
    }
    Ok(())
}

fn cluster(scheme: &str, rest: &str) -> Result<Location, String> {
    if rest.contains('#') {
        return Err("the address of a cluster has no `#`".to_owned());
    }
    let (info, seeds) = several(scheme, rest, None)?;
    if info.redis_settings().db() != 0 {
        return Err("a cluster has no database but 0".to_owned());
    }
    Ok(Location {
        info,
        shape: Shape::Cluster { seeds },
    })
}

fn sentinel(scheme: &str, rest: &str) -> Result<Location, String> {
    let (rest, service) = match rest.split_once('#') {
        Some((rest, service)) if !service.is_empty() => (rest, service),
        _ => {
            return Err(
                "the name under which the sentinels know the primary is missing: it stands at the end, as in #mymaster"
                    .to_owned(),
            );
        }
    };
    let (info, sentinels) = several(scheme, rest, Some(SENTINEL_PORT))?;
    let service = percent_decode_str(service)
        .decode_utf8()
        .map_err(|_| "the name after `#` is not UTF-8".to_owned())?
        .into_owned();
    Ok(Location {
        info,
        shape: Shape::Sentinel { sentinels, service },
    })
}

/// The servers of `[user[:password]@]host[:port],host[:port][/database]`: what is the same for all, and each address.
fn several(
    scheme: &str,
    rest: &str,
    default_port: Option<u16>,
) -> Result<(ConnectionInfo, Vec<ConnectionAddr>), String> {
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (user, hosts) = authority.rsplit_once('@').unwrap_or(("", authority));
    let at = if authority.contains('@') { "@" } else { "" };
    let mut servers = Vec::new();
    for host in hosts.split(',') {
        if host.is_empty() {
            return Err("a host is missing: write host:port,host:port".to_owned());
        }
        // After the bracket of an IPv6 address.
        let has_port = host.rsplit_once(']').map_or(host, |(_, rest)| rest).contains(':');
        let port = default_port.filter(|_| !has_port).map(|port| format!(":{port}"));
        let port = port.unwrap_or_default();
        servers.push(one(&format!("{scheme}://{user}{at}{host}{port}/{path}"))?);
    }
    let addresses = servers.iter().map(|server| server.addr().clone()).collect();
    Ok((servers.swap_remove(0), addresses))
}

fn one(url: &str) -> Result<ConnectionInfo, String> {
    url.into_connection_info().map_err(|error| match error.detail() {
        Some(detail) if !url.contains('@') => format!("{}: {detail}", error.category()),
        _ => error.category().to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(url: &str) -> Vec<String> {
        match parse(url).unwrap().shape {
            Shape::Server => panic!("several servers were meant"),
            Shape::Sentinel { sentinels: all, .. } | Shape::Cluster { seeds: all } => {
                all.iter().map(ToString::to_string).collect()
            }
        }
    }

    fn refusal(url: &str) -> String {
        parse(url).err().expect("it cannot be used")
    }

    #[test]
    fn a_cluster_is_a_list_of_servers_with_the_same_credentials() {
        let url = "redis-cluster://app:p%40ss@one:7000,two:7001,[::1]:7002,three";
        assert_eq!(addresses(url), ["one:7000", "two:7001", "::1:7002", "three:6379"]);
        let settings = parse(url).unwrap().info.redis_settings().clone();
        assert_eq!((settings.username(), settings.password()), (Some("app"), Some("p@ss")));
    }

    #[test]
    fn sentinels_have_a_port_of_their_own_and_the_name_of_the_primary_follows_the_database() {
        let url = "redis-sentinel://:hush@one,two:5000,[::1]/3#my%20master";
        assert_eq!(addresses(url), ["one:26379", "two:5000", "::1:26379"]);
        let Location { info, shape } = parse(url).unwrap();
        assert_eq!(info.redis_settings().db(), 3);
        assert!(matches!(shape, Shape::Sentinel { service, .. } if service == "my master"));
    }

    #[test]
    fn what_cannot_be_meant_is_refused_with_the_way_out_and_without_the_password() {
        for (url, why) in [
            ("redis-sentinel://:hush@one,two/0", "#mymaster"),
            ("redis-sentinel://:hush@one#", "#mymaster"),
            ("redis-cluster://:hush@one/2", "no database but 0"),
            ("redis-cluster://:hush@one#x", "no `#`"),
            ("redis-cluster://:hush@one,,two", "a host is missing"),
            ("redis-cluster://", "a host is missing"),
            ("redis-cluster://:12/hush@one,two", "written %2F, %3F or %23"),
            ("redis-sentinel://:12#hush@one#mymaster", "written %2F, %3F or %23"),
        ] {
            let refusal = refusal(url);
            assert!(refusal.contains(why) && !refusal.contains("hush"), "{url}: {refusal}");
        }
    }

    #[cfg(not(feature = "tls"))]
    #[test]
    fn without_tls_its_schemes_name_the_feature() {
        for scheme in ["rediss", "rediss-cluster", "rediss-sentinel"] {
            assert!(refusal(&format!("{scheme}://host#x")).contains("feature `tls`"));
        }
    }

    #[cfg(feature = "tls")]
    #[test]
    fn a_certificate_is_always_checked() {
        assert!(refusal("rediss://host#insecure").contains("`#insecure` is not supported"));
    }
}
