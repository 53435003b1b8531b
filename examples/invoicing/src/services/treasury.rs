//! A company's treasury: its bank movements and what they add up to.
use cache_runtime::{cached, invalidates};
use serde::{Deserialize, Serialize};

use super::{require_company, require_company_in};
use crate::{
    day::Day,
    db::{Books, Transaction, query, read_from_row},
    error::AppError,
    model::Movement,
    money::Money,
    user::User,
};

/// Reads and books treasury movements.
#[derive(Clone, Debug)]
pub struct TreasuryService {
    books: Books,
}

/// A company's treasury.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Treasury {
    /// The company.
    pub company: i64,
    /// The sum of all movements.
    pub balance: Money,
    /// How many movements there are.
    pub movements: i64,
    /// In and out by kind, the largest amounts first.
    pub by_kind: Vec<KindTotal>,
    /// The last twelve months that have movements, the latest first.
    pub by_month: Vec<MonthFlow>,
    /// The twenty latest movements, the latest first.
    pub latest: Vec<Movement>,
}

/// The movements of one kind.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct KindTotal {
    /// The kind.
    pub kind: String,
    /// How many there are.
    pub movements: i64,
    /// What they add up to.
    pub amount: Money,
}

read_from_row!(KindTotal {
    kind,
    movements,
    amount
});

/// The movements of one month.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct MonthFlow {
    /// `YYYY-MM`.
    pub month: String,
    /// Money in.
    pub inflow: Money,
    /// Money out, a positive amount.
    pub outflow: Money,
}

read_from_row!(MonthFlow { month, inflow, outflow });

/// A movement to be booked.
#[derive(Clone, Debug)]
pub struct NewMovement {
    /// The company.
    pub company: i64,
    /// Money in when positive, out when negative.
    pub amount: Money,
    /// What kind of movement it is.
    pub kind: String,
    /// What it was for.
    pub description: String,
    /// The day of the bank statement.
    pub booked_on: Day,
}

impl TreasuryService {
    pub(super) fn new(books: Books) -> Self {
        Self { books }
    }

    /// The treasury of a company.
    ///
    /// # Errors
    /// When there is no such company, or the database fails.
    #[cached(resource = "treasury_data", scope(company))]
    pub async fn treasury(&self, tenant_id: &str, company: i64) -> Result<Treasury, AppError> {
        require_company(&self.books.db, tenant_id, company).await?;
        let by_kind = query(BY_KIND).bind(tenant_id).bind(company);
        let by_kind: Vec<KindTotal> = self.books.db.all(by_kind).await?;
        let by_month = query(BY_MONTH).bind(tenant_id).bind(company);
        let latest = query(LATEST).bind(tenant_id).bind(company);
        Ok(Treasury {
            company,
            balance: by_kind.iter().map(|kind| kind.amount).sum(),
            movements: by_kind.iter().map(|kind| kind.movements).sum(),
            by_kind,
            by_month: self.books.db.all(by_month).await?,
            latest: self.books.db.all(latest).await?,
        })
    }

    /// Books a movement.
    ///
    /// # Errors
    /// When there is no such company, the user may not write, or the database fails.
    pub async fn book(&self, new: &NewMovement, current_user: &User) -> Result<Movement, AppError> {
        cache_runtime::transaction(async {
            let mut transaction = self.books.db.begin().await?;
            let booked = book_in(&mut transaction, new, current_user).await?;
            transaction.commit().await?;
            Ok(booked)
        })
        .await
    }
}

/// Books a movement in a database transaction of the caller's, who commits inside `cache_runtime::transaction`.
#[invalidates("movement_data"(company = new.company), tenant = current_user.tenant_id)]
pub(super) async fn book_in(
    transaction: &mut Transaction,
    new: &NewMovement,
    current_user: &User,
) -> Result<Movement, AppError> {
    current_user.may_write(new.company)?;
    let id = transaction.next_id("treasury_movements").await?;
    require_company_in(transaction, &current_user.tenant_id, new.company).await?;
    let insert = query(INSERT)
        .bind(id)
        .bind(current_user.tenant_id.as_str())
        .bind(new.company)
        .bind(new.amount)
        .bind(new.kind.as_str())
        .bind(new.description.as_str())
        .bind(new.booked_on);
    Ok(transaction.one(insert).await?)
}

const INSERT: &str = "
    INSERT INTO treasury_movements (id, tenant_id, company_id, amount, kind, description, booked_on)
    VALUES ($1, $2, $3, $4, $5, $6, $7)
    RETURNING id, company_id AS company, amount, kind, description, booked_on";

const BY_KIND: &str = "
    SELECT kind, COUNT(*) AS movements, CAST(SUM(amount) AS BIGINT) AS amount
    FROM treasury_movements WHERE tenant_id = $1 AND company_id = $2
    GROUP BY kind ORDER BY SUM(ABS(amount)) DESC, kind";

const BY_MONTH: &str = "
    SELECT SUBSTR(booked_on, 1, 7) AS month,
           CAST(SUM(CASE WHEN amount > 0 THEN amount ELSE 0 END) AS BIGINT) AS inflow,
           CAST(SUM(CASE WHEN amount < 0 THEN -amount ELSE 0 END) AS BIGINT) AS outflow
    FROM treasury_movements WHERE tenant_id = $1 AND company_id = $2
    GROUP BY SUBSTR(booked_on, 1, 7) ORDER BY month DESC LIMIT 12";

const LATEST: &str = "
    SELECT id, company_id AS company, amount, kind, description, booked_on
    FROM treasury_movements WHERE tenant_id = $1 AND company_id = $2
    ORDER BY booked_on DESC, id DESC LIMIT 20";
