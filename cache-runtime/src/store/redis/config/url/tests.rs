use proptest::prelude::*;

use super::*;

fn addresses(url: &str) -> Vec<String> {
    match parse(url).unwrap().deployment {
        Deployment::Server => panic!("several servers were meant"),
        Deployment::Sentinel { sentinels: all, .. } | Deployment::Cluster { seeds: all } => {
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
    let Location { info, deployment } = parse(url).unwrap();
    assert_eq!(info.redis_settings().db(), 3);
    assert!(matches!(deployment, Deployment::Sentinel { service, .. } if service == "my master"));
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
