//! The parser of a Redis URL, for one server or for several. Every part of it means something, or is refused by its name.
//!
//! No message repeats more of a URL than its scheme and the names of its parameters: a password that is not written as it must
//! be can stand anywhere else.

mod parts;

use std::{net::Ipv6Addr, path::PathBuf};

use redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo, ProtocolVersion, RedisConnectionInfo};

use self::parts::{Kind, Parts, Scheme, decoded};
use super::deployment::Deployment;

/// Where a URL leads.
pub(super) struct Location {
    /// The first address, and what is the same for all: credentials, database, TLS.
    pub(super) info: ConnectionInfo,
    pub(super) deployment: Deployment,
}

const PORT: u16 = 6379;
const SENTINEL_PORT: u16 = 26379;

/// More databases than this no server has.
const LAST_DATABASE: u32 = i32::MAX.cast_unsigned();

/// # Errors
///
/// What is wrong with the URL. The message does not repeat it, because it may hold a password.
pub(super) fn parse(url: &str) -> Result<Location, String> {
    let parts = Parts::of(url)?;
    let scheme = parts.scheme;
    if scheme.tls {
        refuse_unsafe_tls(scheme, parts.fragment)?;
    }
    if parts.fragment.is_some() && scheme.kind != Kind::Sentinel {
        return Err("a `#` has no meaning in it (in a password it is written %23)".to_owned());
    }
    match scheme.kind {
        Kind::Server => server(&parts),
        Kind::Socket => socket(&parts),
        Kind::Cluster => cluster(&parts),
        Kind::Sentinel => sentinel(&parts),
    }
}

fn refuse_unsafe_tls(scheme: Scheme, fragment: Option<&str>) -> Result<(), String> {
    if cfg!(not(feature = "tls")) {
        return Err(format!(
            "{}:// needs the cargo feature `tls` of cache-runtime, which this program was built without",
            scheme.name
        ));
    }
    if fragment == Some("insecure") {
        return Err("`#insecure` is not supported: give the authority that signed the server's certificate".to_owned());
    }
    Ok(())
}

fn server(parts: &Parts<'_>) -> Result<Location, String> {
    if parts.hosts.contains(',') {
        return Err(
            "it names several hosts, which are for redis-cluster:// and redis-sentinel://; a comma in a password is \
             written %2C"
                .to_owned(),
        );
    }
    let settings = settings(parts)?;
    let address = address(parts.scheme, parts.hosts, PORT)?;
    location(address, settings, Deployment::Server)
}

fn socket(parts: &Parts<'_>) -> Result<Location, String> {
    let [database, user, password, protocol] = parts.parameters(["db", "user", "pass", "protocol"])?;
    let mut settings = RedisConnectionInfo::default().set_protocol(protocol_of(protocol.as_deref())?);
    if let Some(database) = database {
        let refusal = || "the parameter `db` is a whole number, such as db=1".to_owned();
        settings = settings.set_db(number_of_database(&database).ok_or_else(refusal)?);
    }
    if let Some(user) = user {
        settings = settings.set_username(user);
    }
    if let Some(password) = password {
        settings = settings.set_password(password);
    }
    let path = decoded(parts.path, "the path of the socket")?;
    location(ConnectionAddr::Unix(PathBuf::from(path)), settings, Deployment::Server)
}

fn cluster(parts: &Parts<'_>) -> Result<Location, String> {
    let settings = settings(parts)?;
    if settings.db() != 0 {
        return Err("a cluster has no database but 0".to_owned());
    }
    let seeds = addresses(parts, PORT)?;
    location(seeds[0].clone(), settings, Deployment::Cluster { seeds })
}

fn sentinel(parts: &Parts<'_>) -> Result<Location, String> {
    let Some(service) = parts.fragment.filter(|service| !service.is_empty()) else {
        return Err(
            "the name under which the sentinels know the primary is missing: it stands at the end, as in #mymaster"
                .to_owned(),
        );
    };
    let service = decoded(service, "the name after `#`")?;
    let settings = settings(parts)?;
    let sentinels = addresses(parts, SENTINEL_PORT)?;
    location(
        sentinels[0].clone(),
        settings,
        Deployment::Sentinel { sentinels, service },
    )
}

fn location(
    address: ConnectionAddr,
    settings: RedisConnectionInfo,
    deployment: Deployment,
) -> Result<Location, String> {
    let info = address.into_connection_info().map_err(|error| error.to_string())?;
    Ok(Location {
        info: info.set_redis_settings(settings),
        deployment,
    })
}

/// What the parts around the hosts say: who asks, which database, which protocol.
fn settings(parts: &Parts<'_>) -> Result<RedisConnectionInfo, String> {
    let [protocol] = parts.parameters(["protocol"])?;
    let mut settings = RedisConnectionInfo::default().set_protocol(protocol_of(protocol.as_deref())?);
    if let Some(database) = parts.path.strip_prefix('/').filter(|path| !path.is_empty()) {
        let refusal = || "the path names the database, which is a whole number such as /0".to_owned();
        settings = settings.set_db(number_of_database(database).ok_or_else(refusal)?);
    }
    let (user, password) = parts.user.split_once(':').unwrap_or((parts.user, ""));
    if !user.is_empty() {
        settings = settings.set_username(decoded(user, "the user")?);
    }
    if !password.is_empty() {
        settings = settings.set_password(decoded(password, "the password")?);
    }
    Ok(settings)
}

fn number_of_database(text: &str) -> Option<i64> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let number: u32 = text.parse().ok().filter(|_| digits)?;
    (number <= LAST_DATABASE).then_some(number.into())
}

fn protocol_of(parameter: Option<&str>) -> Result<ProtocolVersion, String> {
    match parameter {
        None | Some("2" | "resp2") => Ok(ProtocolVersion::RESP2),
        Some("3" | "resp3") => Ok(ProtocolVersion::RESP3),
        Some(_) => Err("the parameter `protocol` is resp2 or resp3".to_owned()),
    }
}

fn addresses(parts: &Parts<'_>, default_port: u16) -> Result<Vec<ConnectionAddr>, String> {
    let hosts = parts.hosts.split(',');
    hosts.map(|host| address(parts.scheme, host, default_port)).collect()
}

fn address(scheme: Scheme, text: &str, default_port: u16) -> Result<ConnectionAddr, String> {
    let (host, port) = host_and_port(text)?;
    let port = port.map_or(Ok(default_port), port_of)?;
    if matches!(&*host, "0.0.0.0" | "::") {
        return Err("0.0.0.0 and :: are where a server listens: the host is its name or its address".to_owned());
    }
    Ok(if scheme.tls {
        ConnectionAddr::TcpTls {
            host,
            port,
            insecure: false,
            tls_params: None,
        }
    } else {
        ConnectionAddr::Tcp(host, port)
    })
}

fn host_and_port(text: &str) -> Result<(String, Option<&str>), String> {
    if let Some(bracketed) = text.strip_prefix('[') {
        let Some((address, rest)) = bracketed.split_once(']') else {
            return Err("the `]` at the end of an IPv6 address is missing".to_owned());
        };
        let address: Ipv6Addr = address
            .parse()
            .map_err(|_| "what stands in brackets is no IPv6 address, as in [::1]:6379".to_owned())?;
        return match rest.strip_prefix(':') {
            None if !rest.is_empty() => Err("after the `]` of an IPv6 address stands `:` and the port".to_owned()),
            port => Ok((address.to_string(), port)),
        };
    }
    let (host, port) = match text.split_once(':') {
        Some((_, rest)) if rest.contains(':') => {
            return Err(
                "there is more than one `:` in a host: it has one port, and an IPv6 address stands in brackets, as in \
                 [::1]:6379"
                    .to_owned(),
            );
        }
        Some((host, port)) => (host, Some(port)),
        None => (text, None),
    };
    if host.is_empty() {
        return Err("a host is missing, as in redis://localhost or redis-cluster://one:6379,two:6379".to_owned());
    }
    let of_a_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    if !host.bytes().all(of_a_name) {
        return Err(
            "the host holds a character that no name has: letters, digits, `.`, `-` and `_` stand in it, and no \
             placeholder that nobody has replaced"
                .to_owned(),
        );
    }
    Ok((host.to_owned(), port))
}

fn port_of(text: &str) -> Result<u16, String> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse() {
        Ok(port) if digits && port != 0 => Ok(port),
        _ => Err(
            "what stands after the `:` of a host is no port, a whole number from 1 to 65535 (a user and a password end \
             with `@`)"
                .to_owned(),
        ),
    }
}

#[cfg(test)]
mod tests;
