//! Where the pages are, seen from each other.
//!
//! Links are relative, so that they lead somewhere wherever the router is mounted, and behind a proxy that takes a part of the path away.

use axum::http::Uri;

/// The way from the page in hand to the others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Links {
    /// Put before the name of a page.
    prefix: String,
    home: String,
}

impl Links {
    /// From a page whose address, of the whole service, this is; `is_home` if it is the first page. All others are in one folder.
    pub(super) fn from(original: &Uri, is_home: bool) -> Self {
        let mut segments = original.path().rsplit('/');
        let last = segments.next().unwrap_or_default();
        if !is_home {
            let folder = segments.next().unwrap_or_default();
            let home = if folder.is_empty() {
                "./".to_owned()
            } else {
                format!("../{folder}")
            };
            return Self {
                prefix: String::new(),
                home,
            };
        }
        if last.is_empty() {
            return Self {
                prefix: String::new(),
                home: "./".to_owned(),
            };
        }
        Self {
            prefix: format!("{last}/"),
            home: last.to_owned(),
        }
    }

    /// From whatever page, to those under this path.
    pub(super) fn under(path: &str) -> Self {
        let path = path.trim_end_matches('/');
        Self {
            prefix: format!("{path}/"),
            home: if path.is_empty() {
                "/".to_owned()
            } else {
                path.to_owned()
            },
        }
    }

    pub(super) fn home(&self) -> &str {
        &self.home
    }

    pub(super) fn page(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// The address of a page with parameters. Those without a value are left out.
    pub(super) fn page_with(&self, name: &str, parameters: &[(&str, &str)]) -> String {
        let given = parameters.iter().filter(|(_, value)| !value.is_empty());
        let given = given.map(|(name, value)| format!("{name}={}", encoded(value)));
        let query = given.collect::<Vec<_>>().join("&");
        let mark = if query.is_empty() { "" } else { "?" };
        format!("{}{name}{mark}{query}", self.prefix)
    }
}

fn encoded(value: &str) -> percent_encoding::PercentEncode<'_> {
    percent_encoding::utf8_percent_encode(value, percent_encoding::NON_ALPHANUMERIC)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_lead_back_and_forth_wherever_the_dashboard_is_mounted() {
        for (path, is_home, page, home) in [
            ("/cache", true, "cache/keys", "cache"),
            ("/cache/", true, "keys", "./"),
            ("/", true, "keys", "./"),
            ("/cache/keys", false, "keys", "../cache"),
            ("/keys", false, "keys", "./"),
            ("/ops/cache/keys", false, "keys", "../cache"),
        ] {
            let links = Links::from(&path.parse().unwrap(), is_home);
            assert_eq!((&*links.page("keys"), links.home()), (page, home), "{path}");
        }
    }

    #[test]
    fn a_value_in_a_link_stays_one_value() {
        let links = Links::under("/ops");
        let link = links.page_with("keys", &[("tenant", "a&b=\"<c>"), ("resource", "")]);
        assert_eq!(link, "/ops/keys?tenant=a%26b%3D%22%3Cc%3E");
    }
}
