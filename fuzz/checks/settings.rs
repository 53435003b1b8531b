//! Any environment: a cache, or an error that names the variable and the value; no password in either.
//!
//! The input is as in `/proc/self/environ`: `NAME=value`, with a zero byte after each.

use std::{collections::HashMap, ffi::OsString, os::unix::ffi::OsStringExt as _};

use cache_runtime::__private::from_env;

/// What stands for a password in the seeds.
const PASSWORD: &str = "hush-hush";

/// Variables that are never shown. Of an address, a part is.
const SECRETS: [&str; 4] = [
    "REDIS_PASSWORD",
    "REDIS_SENTINEL_PASSWORD",
    "CACHE_SIGNING_KEY",
    "CACHE_SIGNING_KEY_PREVIOUS",
];

pub(crate) fn check(data: &[u8]) {
    let mut variables = HashMap::new();
    for variable in data.split(|&byte| byte == 0) {
        if let Some(at) = variable.iter().position(|&byte| byte == b'=') {
            let (name, value) = (&variable[..at], &variable[at + 1..]);
            variables.insert(String::from_utf8_lossy(name), OsString::from_vec(value.to_vec()));
        }
    }
    let shown = match from_env(|name| variables.get(name).cloned()) {
        Ok(builder) => format!("{builder:?}"),
        Err(error) => {
            let shown = format!("{error}\n{error:?}");
            let value = variables.get(error.variable()).expect("what is not set is not wrong");
            assert!(shown.contains(error.variable()), "{shown}");
            let secret = error.variable() == "REDIS_URL" || SECRETS.contains(&error.variable());
            assert!(secret || shown.contains(&*value.to_string_lossy()), "{shown}");
            shown
        }
    };
    let open = |(name, value): (&std::borrow::Cow<'_, str>, &OsString)| {
        let value = value.to_string_lossy();
        let value = value.trim();
        match &**name {
            secret if SECRETS.contains(&secret) => false,
            // Before the last `@` of an address stands who asks, and the password.
            "REDIS_URL" if value.starts_with("redis") && !value.starts_with("redis+unix") => {
                let rest = value.rsplit_once('@').map_or(value, |(_, host)| host);
                rest.contains(PASSWORD)
            }
            _ => value.contains(PASSWORD),
        }
    };
    assert!(
        variables.iter().any(open) || !shown.contains(PASSWORD),
        "a password in {shown}"
    );
}
