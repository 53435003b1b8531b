//! Options that say which entries are meant.

use std::str::FromStr;

use crate::inspect::KeyFilter;

/// Which entries are meant: all, unless an option says less.
#[derive(Debug, Clone, Default, clap::Args)]
pub(super) struct Selection {
    /// Only those of this tenant.
    #[arg(long, value_name = "TENANT", conflicts_with = "shared")]
    pub(super) tenant: Option<String>,
    /// Only those of resources that tenants share.
    #[arg(long)]
    pub(super) shared: bool,
    /// Only those of this resource; a * stands for any characters.
    #[arg(long, value_name = "RESOURCE")]
    pub(super) resource: Option<String>,
    /// Only those with this scope value, as in company=123; may be given several times.
    #[arg(long = "scope", value_name = "NAME=VALUE")]
    pub(super) scopes: Vec<Pair>,
}

impl Selection {
    pub(super) fn narrow(&self, mut filter: KeyFilter) -> KeyFilter {
        if let Some(tenant) = &self.tenant {
            filter = filter.tenant(tenant);
        }
        if self.shared {
            filter = filter.shared();
        }
        if let Some(resource) = &self.resource {
            filter = filter.resource(resource);
        }
        for Pair { name, value } in &self.scopes {
            filter = filter.scope(name, value);
        }
        filter
    }
}

/// A name and a value, with `=` between them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pair {
    pub(super) name: String,
    pub(super) value: String,
}

impl FromStr for Pair {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            Some((name, value)) if !name.is_empty() => Ok(Self {
                name: name.to_owned(),
                value: value.to_owned(),
            }),
            _ => Err("write NAME=VALUE, as in company=123".to_owned()),
        }
    }
}
