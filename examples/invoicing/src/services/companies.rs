//! Companies of a tenant.
use cache_runtime::{cached, invalidates};

use crate::{
    db::{Books, query},
    error::AppError,
    model::{Company, Page, Paging},
    user::User,
};

/// Reads and changes companies.
#[derive(Clone, Debug)]
pub struct CompanyService {
    books: Books,
}

/// What of a company to change; what is `None` stays.
#[derive(Clone, Debug)]
pub struct CompanyChange {
    /// A new name.
    pub name: Option<String>,
    /// A new number at the tax office.
    pub tax_number: Option<String>,
}

impl CompanyService {
    pub(super) fn new(books: Books) -> Self {
        Self { books }
    }

    /// The companies that the user may see.
    ///
    /// One list per tenant is cached, and each user is shown their part of it: the choice is made after the cache, not
    /// by putting the user into the key.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn visible(&self, current_user: &User, paging: Paging) -> Result<Page<Company>, AppError> {
        let mut companies = self.of_tenant(&current_user.tenant_id).await?;
        companies.retain(|company| current_user.sees(company.id));
        let total = i64::try_from(companies.len()).unwrap_or(i64::MAX);
        let skip = usize::try_from(paging.offset()).unwrap_or(usize::MAX);
        let take = usize::try_from(paging.page_size).unwrap_or(usize::MAX);
        Ok(paging.of(companies.into_iter().skip(skip).take(take).collect(), total))
    }

    #[cached(resource = "companies_list", near = "tracked", refresh_ahead)]
    async fn of_tenant(&self, tenant_id: &str) -> Result<Vec<Company>, AppError> {
        let sql = "SELECT id, name, tax_number, currency FROM companies WHERE tenant_id = $1 ORDER BY id";
        Ok(self.books.db.all(query(sql).bind(tenant_id)).await?)
    }

    /// Changes a company.
    ///
    /// # Errors
    /// When there is no such company, the user may not change it, or the database fails.
    #[invalidates("companies_list", "dashboard_*"(company), tenant = current_user.tenant_id)]
    pub async fn change(&self, company: i64, change: &CompanyChange, current_user: &User) -> Result<Company, AppError> {
        current_user.may_write(company)?;
        // An empty text stands for "as it was": NULL has no type that both databases agree on.
        let sql = "UPDATE companies
            SET name = CASE WHEN $3 = '' THEN name ELSE $3 END,
                tax_number = CASE WHEN $4 = '' THEN tax_number ELSE $4 END
            WHERE tenant_id = $1 AND id = $2
            RETURNING id, name, tax_number, currency";
        let update = query(sql)
            .bind(current_user.tenant_id.as_str())
            .bind(company)
            .bind(change.name.as_deref().unwrap_or_default())
            .bind(change.tax_number.as_deref().unwrap_or_default());
        let changed = self.books.db.optional(update).await?;
        changed.ok_or(AppError::NotFound {
            field: "id",
            what: "company",
            id: company,
        })
    }
}
