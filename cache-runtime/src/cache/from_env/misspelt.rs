//! Variables that look as if they were meant for the cache, and are not read.

use std::{collections::BTreeSet, ffi::OsString};

use super::{VARIABLES, Variable};
use crate::resource::distance;

/// A variable whose name is as near as this to one that is read.
const SLIP: usize = 2;

/// Where other programs are told where Redis is.
const ELSEWHERE: [&str; 16] = [
    "REDISCLOUD_URL",
    "REDISTOGO_URL",
    "REDIS_ADDR",
    "REDIS_ADDRESS",
    "REDIS_CONNECTION",
    "REDIS_CONNECTION_STRING",
    "REDIS_DSN",
    "REDIS_ENDPOINT",
    "REDIS_HOST",
    "REDIS_HOSTNAME",
    "REDIS_HOSTS",
    "REDIS_SERVER",
    "REDIS_SERVERS",
    "REDIS_TLS_URL",
    "VALKEY_HOST",
    "VALKEY_URL",
];

/// What variables were called, and are called now.
const RENAMED: [(&str, &str); 2] = [
    ("CACHE_HOLD_LEASE", "CACHE_HOLD_TTL"),
    ("CACHE_NEAR_LEASE", "CACHE_NEAR_MAX_STALENESS"),
];

/// A variable that is set and not read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Misspelt {
    pub(crate) variable: String,
    /// What may have been meant.
    pub(crate) meant: String,
}

/// Those of an environment. Values are looked at only for whether there is one.
pub(crate) fn misspelt(environment: impl IntoIterator<Item = (OsString, OsString)>) -> Vec<Misspelt> {
    let set: BTreeSet<String> = environment
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .filter_map(|(name, _)| name.into_string().ok())
        .collect();
    let has_url = set.contains("REDIS_URL");
    let explain = |variable: &String| {
        if let Some(read) = VARIABLES.iter().find(|read| read.name() == variable) {
            let is_unread = read.needs_redis() && !has_url;
            return is_unread.then(|| "it is for use beside REDIS_URL, which is not set".to_owned());
        }
        if !has_url && ELSEWHERE.contains(&&*variable.to_ascii_uppercase()) {
            return Some("where Redis is says REDIS_URL, which is not set".to_owned());
        }
        let meant = VARIABLES
            .iter()
            .map(Variable::name)
            .filter(|read| !set.contains(*read))
            .filter(|read| resembles(variable, read))
            .min_by_key(|read| distance(variable, read));
        meant.map(|meant| format!("is {meant} meant?"))
    };
    let explained = |variable: &String| {
        Some(Misspelt {
            meant: explain(variable)?,
            variable: variable.clone(),
        })
    };
    set.iter().filter_map(explained).collect()
}

fn resembles(variable: &str, read: &str) -> bool {
    let upper = variable.to_ascii_uppercase();
    let longer = upper.strip_suffix(read).is_some_and(|prefix| prefix.ends_with('_'));
    longer || RENAMED.contains(&(&*upper, read)) || distance(&upper, read) <= SLIP
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(set: &[(&str, &str)]) -> Vec<(String, String)> {
        let environment = set.iter().map(|(name, value)| (name.into(), value.into()));
        let misspelt = misspelt(environment).into_iter();
        misspelt.map(|Misspelt { variable, meant }| (variable, meant)).collect()
    }

    #[test]
    fn a_slip_names_the_variable_that_is_read() {
        for (written, read) in [
            ("REDIS_URI", "REDIS_URL"),
            ("REDISURL", "REDIS_URL"),
            ("REDIS_URLS", "REDIS_URL"),
            ("redis_url", "REDIS_URL"),
            ("CACHE_REDIS_URL", "REDIS_URL"),
            ("APP_REDIS_URL", "REDIS_URL"),
            ("CACHE_DEFAULT_TLL", "CACHE_DEFAULT_TTL"),
            ("CACHE_DEAFULT_TTL", "CACHE_DEFAULT_TTL"),
            ("CACHE_MAX_LOAD", "CACHE_MAX_LOADS"),
            ("CACHE_SIGNINGKEY", "CACHE_SIGNING_KEY"),
            ("REDIS_ENABLE", "REDIS_ENABLED"),
            ("CACHE_NEAR_LEASE", "CACHE_NEAR_MAX_STALENESS"),
            ("CACHE_HOLD_LEASE", "CACHE_HOLD_TTL"),
        ] {
            let expected = (written.to_owned(), format!("is {read} meant?"));
            assert_eq!(of(&[(written, "hush")]), [expected]);
        }
    }

    #[test]
    fn without_an_address_what_others_read_it_from_is_named_too() {
        for written in ["REDIS_HOST", "VALKEY_URL", "REDIS_PASSWORD", "REDIS_MAX_CONNECTIONS"] {
            let [(variable, meant)] = &of(&[(written, "hush")])[..] else {
                panic!("{written} is not named")
            };
            assert!(
                variable == written && meant.contains("REDIS_URL, which is not set"),
                "{meant}"
            );
            assert_eq!(of(&[(written, "hush"), ("REDIS_URL", "redis://h")]), []);
        }
    }

    #[test]
    fn what_is_read_what_is_empty_and_what_is_another_s_is_not_named() {
        let url = ("REDIS_URL", "redis://h");
        assert_eq!(of(&[]), []);
        assert_eq!(of(&[("REDIS_URI", "")]), []);
        assert_eq!(
            of(&[url, ("REDIS_URI", "redis://h"), ("SESSIONS_REDIS_URL", "redis://h")]),
            []
        );
        assert_eq!(
            of(&[
                url,
                ("REDIS_TLS_CA", "x"),
                ("CACHE_SWEEP", "off"),
                ("REDIS_ENABLED", "1")
            ]),
            []
        );
        for others in [
            "CACHE_DIR",
            "XDG_CACHE_HOME",
            "REDIS_VERSION",
            "SCCACHE_REDIS",
            "PATH",
            "CACHE_URL_PREFIX",
        ] {
            assert_eq!(of(&[(others, "x")]), [], "{others}");
        }
    }
}
