//! Who asks, and what they may see.
use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::error::AppError;

/// What a user may do with the companies they may see.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Read and write.
    #[default]
    Accountant,
    /// Read only.
    Viewer,
}

/// The user of one request.
#[derive(Clone, Debug)]
pub struct User {
    /// The tenant whose books the user works on.
    pub tenant_id: String,
    /// The name in the token.
    pub name: String,
    role: Role,
    companies: Option<BTreeSet<i64>>,
}

impl User {
    /// A user of `tenant_id`; `companies` are the ones they may see, `None` for all.
    pub fn new(tenant_id: String, name: String, role: Role, companies: Option<BTreeSet<i64>>) -> Self {
        Self {
            tenant_id,
            name,
            role,
            companies,
        }
    }

    /// Who comes without a token: may read and write everything of the tenant `default`. This service is an example
    /// that is to be tried with nothing but a browser; yours should not do this.
    pub fn anonymous() -> Self {
        Self::new("default".to_owned(), "anonymous".to_owned(), Role::Accountant, None)
    }

    /// What of a tenant's companies the user may see: `all`, or the ids.
    pub fn visible(&self) -> String {
        self.companies
            .as_ref()
            .map_or_else(|| "all".to_owned(), |companies| format!("{companies:?}"))
    }

    /// Whether the user may see the company.
    pub fn sees(&self, company: i64) -> bool {
        self.companies
            .as_ref()
            .is_none_or(|companies| companies.contains(&company))
    }

    /// # Errors
    /// [`AppError::Forbidden`] when the user may not see the company.
    pub fn may_read(&self, company: i64) -> Result<(), AppError> {
        if self.sees(company) {
            return Ok(());
        }
        Err(AppError::Forbidden {
            field: "company",
            problem: format!(
                "{} may not see company {company}; ask for a token that names it",
                self.name
            ),
        })
    }

    /// # Errors
    /// [`AppError::Forbidden`] when the user may not see the company or may not write at all.
    pub fn may_write(&self, company: i64) -> Result<(), AppError> {
        self.may_read(company)?;
        match self.role {
            Role::Accountant => Ok(()),
            Role::Viewer => Err(AppError::Forbidden {
                field: "company",
                problem: format!(
                    "{} may look at company {company} and change nothing; a viewer's token",
                    self.name
                ),
            }),
        }
    }
}
