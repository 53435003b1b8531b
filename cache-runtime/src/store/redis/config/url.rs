//! What a Redis URL says, for one server or for several. Every part of it means something, or is refused by its name.
//!
//! No message repeats more of a URL than its scheme and the names of its parameters: a password that is not written as it must
//! be can stand anywhere else.

mod parts;

use std::{fmt, net::Ipv6Addr, path::PathBuf};

use redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo, ProtocolVersion, RedisConnectionInfo};

use self::parts::{Kind, Parts, Scheme, decoded};

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
        match self {
            Self::Server => write!(f, "Server"),
            Self::Sentinel { sentinels, service } => write!(f, "Sentinel({}#{service})", list(sentinels)),
            Self::Cluster { seeds } => write!(f, "Cluster({})", list(seeds)),
        }
    }
}

/// Addresses, separated by commas.
pub(super) fn list(all: &[ConnectionAddr]) -> String {
    all.iter().map(written).collect::<Vec<_>>().join(",")
}

/// An address as it stands in a URL.
pub(super) fn written(address: &ConnectionAddr) -> String {
    match address {
        ConnectionAddr::Tcp(host, port) | ConnectionAddr::TcpTls { host, port, .. } if host.contains(':') => {
            format!("[{host}]:{port}")
        }
        address => address.to_string(),
    }
}

/// Where a URL leads.
pub(super) struct Location {
    /// The first address, and what is the same for all: credentials, database, TLS.
    pub(super) info: ConnectionInfo,
    pub(super) shape: Shape,
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
    located(address, settings, Shape::Server)
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
    located(ConnectionAddr::Unix(PathBuf::from(path)), settings, Shape::Server)
}

fn cluster(parts: &Parts<'_>) -> Result<Location, String> {
    let settings = settings(parts)?;
    if settings.db() != 0 {
        return Err("a cluster has no database but 0".to_owned());
    }
    let seeds = addresses(parts, PORT)?;
    located(seeds[0].clone(), settings, Shape::Cluster { seeds })
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
    located(sentinels[0].clone(), settings, Shape::Sentinel { sentinels, service })
}

fn located(address: ConnectionAddr, settings: RedisConnectionInfo, shape: Shape) -> Result<Location, String> {
    let info = address.into_connection_info().map_err(|error| error.to_string())?;
    Ok(Location {
        info: info.set_redis_settings(settings),
        shape,
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
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn addresses(url: &str) -> Vec<String> {
        match parse(url).unwrap().shape {
            Shape::Server => panic!("several servers were meant"),
            Shape::Sentinel { sentinels: all, .. } | Shape::Cluster { seeds: all } => {
                all.iter().map(ToString::to_string).collect()
            }
        }
    }

    /// Address, database, user and password.
    fn server(url: &str) -> (String, i64, Option<String>, Option<String>) {
        let Location { info, .. } = parse(url).unwrap_or_else(|refusal| panic!("{url}: {refusal}"));
        let settings = info.redis_settings();
        let owned = |text: Option<&str>| text.map(str::to_owned);
        (
            info.addr().to_string(),
            settings.db(),
            owned(settings.username()),
            owned(settings.password()),
        )
    }

    #[track_caller]
    fn assert_refused(cases: &[(&str, &str)]) {
        for (url, why) in cases {
            let refusal = parse(url).err().unwrap_or_else(|| panic!("{url} is accepted"));
            assert!(refusal.contains(why) && !refusal.contains("hush"), "{url}: {refusal}");
        }
    }

    #[test]
    fn a_server_is_what_the_parts_of_its_url_say() {
        let nobody = |address: &str, database| (address.to_owned(), database, None, None);
        let somebody = |address: &str, database, user: Option<&str>, password: Option<&str>| {
            (
                address.to_owned(),
                database,
                user.map(str::to_owned),
                password.map(str::to_owned),
            )
        };
        for (url, expected) in [
            ("redis://localhost", nobody("localhost:6379", 0)),
            ("REDIS://Cache_1.example:6380/2", nobody("Cache_1.example:6380", 2)),
            ("valkey://127.0.0.1/", nobody("127.0.0.1:6379", 0)),
            ("redis://[::1]", nobody("::1:6379", 0)),
            ("redis://[2001:db8:0::7]:7000/015", nobody("2001:db8::7:7000", 15)),
            ("  redis://h?protocol=resp3\n", nobody("h:6379", 0)),
            ("redis://app:hush@h/1", somebody("h:6379", 1, Some("app"), Some("hush"))),
            ("redis://:a%2Fb%20%C3%A9@h", somebody("h:6379", 0, None, Some("a/b é"))),
            ("redis://app@h", somebody("h:6379", 0, Some("app"), None)),
            // As other clients: the last `@` is the one before the host, and only the first `:` ends the user.
            ("redis://app:a@b:c@h:1", somebody("h:1", 0, Some("app"), Some("a@b:c"))),
            ("redis+unix:///run/redis%20x.sock", nobody("/run/redis x.sock", 0)),
            ("unix:/run/redis.sock", nobody("/run/redis.sock", 0)),
            (
                "redis+unix:///s?db=3&user=app&pass=a%26b",
                somebody("/s", 3, Some("app"), Some("a&b")),
            ),
        ] {
            assert_eq!(server(url), expected, "{url}");
        }
    }

    #[test]
    fn a_cluster_is_a_list_of_servers_with_the_same_credentials() {
        let url = "redis-cluster://app:p%40ss@one:7000,two:7001,[::1]:7002,three";
        assert_eq!(addresses(url), ["one:7000", "two:7001", "::1:7002", "three:6379"]);
        let settings = parse(url).unwrap().info.redis_settings().clone();
        assert_eq!((settings.username(), settings.password()), (Some("app"), Some("p@ss")));
        assert_eq!(addresses("valkey-cluster://one/0"), ["one:6379"]);
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
        assert_refused(&[
            ("redis-sentinel://:hush@one,two/0", "#mymaster"),
            ("redis-sentinel://:hush@one#", "#mymaster"),
            ("redis-sentinel://:hush@one#%ff", "the name after `#` is not UTF-8"),
            ("redis-cluster://:hush@one/2", "no database but 0"),
            ("redis-cluster://:hush@one#x", "a `#` has no meaning"),
            ("redis-cluster://:hush@one,,two", "a host is missing"),
            ("redis-cluster://:hush@one,two,", "a host is missing"),
            ("redis-cluster://", "a host is missing"),
            ("redis-cluster://:12/hush@one,two", "written %2F, %3F or %23"),
            ("redis-sentinel://:12#hush@one#mymaster", "written %2F, %3F or %23"),
            ("redis-sentinel://one?db=1#m", "`db` is not known here"),
        ]);
    }

    #[test]
    fn a_scheme_that_is_missing_or_another_s_is_named() {
        assert_refused(&[
            ("", "it is empty"),
            (" \n", "it is empty"),
            ("localhost", "a scheme and two slashes"),
            ("localhost:6379", "a scheme and two slashes"),
            ("redis:6379", "a scheme and two slashes"),
            ("redis:/localhost", "a scheme and two slashes"),
            ("//localhost", "a scheme and two slashes"),
            ("://localhost", "a scheme and two slashes"),
            ("app:hush@localhost:6379", "a scheme and two slashes"),
            ("app:hush://x@localhost", "a scheme and two slashes"),
            ("http://app:hush@h", "`http` is no scheme of Redis"),
            ("postgres://app:hush@h", "`postgres` is no scheme of Redis"),
            ("reddis://h", "the nearest is `redis`"),
            ("redis+cluster://h", "the nearest is `redis-cluster`"),
            ("rediss_sentinel://h", "the nearest is `rediss-sentinel`"),
            ("redis+tls://h", "with TLS it is `rediss`"),
            ("\"redis://:hush@h\"", "in quotes"),
            ("'redis://:hush@h'", "in quotes"),
            ("$REDIS_URL", "a scheme and two slashes"),
        ]);
    }

    #[test]
    fn a_host_or_a_port_that_is_none_is_named() {
        assert_refused(&[
            ("redis://", "a host is missing"),
            ("redis:///0", "a host is missing"),
            ("redis://:6379", "a host is missing"),
            ("redis://app:hush@", "a host is missing"),
            ("redis://app:hush@:6379", "a host is missing"),
            ("redis://?db=1", "a host is missing"),
            ("redis://h:", "is no port"),
            ("redis://h:port", "is no port"),
            ("redis://h:0", "is no port"),
            ("redis://h:65536", "is no port"),
            ("redis://h:+1", "is no port"),
            ("redis://h:-1", "is no port"),
            ("redis://h:6379.0", "is no port"),
            ("redis://app:hush", "a password end with `@`"),
            ("redis://h:6379:6380", "more than one `:`"),
            ("redis://::1:6379", "more than one `:`"),
            ("redis://fe80::1", "more than one `:`"),
            ("redis://[::1", "the `]`"),
            ("redis://[::1]6379", "after the `]`"),
            ("redis://[]", "no IPv6 address"),
            ("redis://[localhost]:6379", "no IPv6 address"),
            ("redis://[fe80::1%25eth0]", "no IPv6 address"),
            ("redis://0.0.0.0", "where a server listens"),
            ("redis://[::]:6379", "where a server listens"),
            ("redis://${REDIS_HOST}:6379", "a character that no name has"),
            ("redis://{{host}}", "a character that no name has"),
            ("redis://<host>", "a character that no name has"),
            ("redis://caché", "a character that no name has"),
            ("redis://a,b", "several hosts"),
            ("redis://:hush@a:1,b:2", "several hosts"),
        ]);
    }

    #[test]
    fn a_database_that_is_none_is_named() {
        assert_refused(&[
            ("redis://:hush@h/-1", "the path names the database"),
            ("redis://h/mydb", "the path names the database"),
            ("redis://h/+1", "the path names the database"),
            ("redis://h/1.5", "the path names the database"),
            ("redis://h/0/1", "the path names the database"),
            ("redis://h/0/", "the path names the database"),
            ("redis://h//", "the path names the database"),
            ("redis://h/%30", "the path names the database"),
            ("redis://h/2147483648", "the path names the database"),
            ("redis://h/99999999999999999999", "the path names the database"),
            ("redis+unix:///s?db=-1", "the parameter `db` is a whole number"),
            ("redis+unix:///s?db=first", "the parameter `db` is a whole number"),
            ("redis+unix:///s?db=", "the parameter `db` is a whole number"),
        ]);
    }

    #[test]
    fn a_parameter_or_an_end_that_means_nothing_is_named() {
        assert_refused(&[
            (
                "redis://:hush@h?db=3",
                "`db` is not known here: the database stands after the host, as in /3",
            ),
            ("redis://h/1?database=3", "the database stands after the host"),
            (
                "redis://h?password=hush",
                "`password` is not known here: user and password stand before the host",
            ),
            ("redis://h?username=hush", "user and password stand before the host"),
            ("redis://h?ssl=true", "`ssl` is not known here: with TLS"),
            ("redis://h?timeout=5s", "`timeout` is not known here"),
            ("redis://h?", "a parameter after `?`"),
            ("redis://h?hush", "a parameter after `?`"),
            ("redis://h?%20=1", "a parameter after `?`"),
            ("redis://h?protocol=resp3&protocol=resp2", "`protocol` is given twice"),
            ("redis://h?protocol=resp3&", "a parameter after `?`"),
            ("redis://h?protocol=4", "resp2 or resp3"),
            ("redis://h#x", "a `#` has no meaning"),
            ("redis://h/0#", "a `#` has no meaning"),
            ("redis+unix:///s#x", "a `#` has no meaning"),
            ("redis+unix:///s?db=1&db=2", "`db` is given twice"),
            (
                "redis+unix:///s?password=hush",
                "`password` is not known here: `db`, `user`, `pass`, `protocol` are",
            ),
            ("redis+unix:///s?pass=%ff", "`pass` is not UTF-8"),
            ("redis+unix://s", "three slashes"),
            ("redis+unix://", "three slashes"),
            ("redis+unix:///", "the path of the socket is missing"),
            ("redis+unix:///?db=1", "the path of the socket is missing"),
            ("unix://app:hush@/s", "three slashes"),
        ]);
    }

    #[test]
    fn what_a_password_must_not_hold_as_it_is_is_named() {
        assert_refused(&[
            ("redis://:12/hush@h", "written %2F, %3F or %23"),
            ("redis://:12?hush@h", "written %2F, %3F or %23"),
            ("redis://:12#hush@h", "written %2F, %3F or %23"),
            ("redis://:hush%@h", "the password holds a `%` that is written %25"),
            ("redis://:hush%zz@h", "the password holds a `%` that is written %25"),
            ("redis://100%:hush@h", "the user holds a `%` that is written %25"),
            ("redis://:hush%ff@h", "the password is not UTF-8"),
            ("redis://:hush hush@h", "written %20"),
            ("redis://:hush\thush@h", "written %20"),
            ("redis-cluster://:hush@one, two", "written %20"),
        ]);
    }

    #[cfg(not(feature = "tls"))]
    #[test]
    fn without_tls_its_schemes_name_the_feature() {
        for scheme in ["rediss", "valkeys", "rediss-cluster", "rediss-sentinel"] {
            assert_refused(&[(&*format!("{scheme}://host#x"), "feature `tls`")]);
        }
    }

    #[cfg(feature = "tls")]
    #[test]
    fn a_certificate_is_always_checked() {
        assert_refused(&[("rediss://host#insecure", "`#insecure` is not supported")]);
        assert!(matches!(
            parse("valkeys://host").unwrap().info.addr(),
            ConnectionAddr::TcpTls { insecure: false, .. }
        ));
    }

    proptest! {
        #[test]
        fn no_refusal_shows_a_password(
            scheme in prop::sample::select(vec!["redis", "redis-cluster", "redis-sentinel", "http", "", "redis+unix"]),
            mark in "[@:/?#%&=, {}\\[\\]a-z]{0,3}",
            end in "[@:/?#%&=,0-9a-z]{0,8}",
        ) {
            let slashes = if scheme.is_empty() { "" } else { "://" };
            let url = format!("{scheme}{slashes}app:{mark}hUsH{mark}@host{end}");
            match parse(&url) {
                Ok(location) => prop_assert!(!location.info.addr().to_string().contains("hUsH")),
                Err(refusal) => prop_assert!(!refusal.contains("hUsH"), "{refusal}"),
            }
        }
    }
}
