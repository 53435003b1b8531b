//! What is owed, by age.
use cache_runtime::cached;
use serde::{Deserialize, Serialize};

use super::DashboardService;
use crate::{
    day::Day,
    db::{query, read_from_row},
    error::AppError,
    money::Money,
    services::require_company,
};

/// What is owed, by age.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Maturity {
    /// The company.
    pub company: i64,
    /// The day the ages are counted to.
    pub as_of: Day,
    /// What is not due yet.
    pub not_due: Money,
    /// What is due: `0-30`, `31-60`, `61-90` and `90+` days after the due day.
    pub buckets: Vec<Bucket>,
    /// The ten partners that owe most of what is due.
    pub debtors: Vec<Debtor>,
}

/// What has been due for so many days.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Bucket {
    /// Days after the due day.
    pub days: String,
    /// How many invoices.
    pub invoices: i64,
    /// What is owed on them.
    pub amount: Money,
}

/// What one partner owes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Debtor {
    /// The partner.
    pub partner: i64,
    /// Their name.
    pub name: String,
    /// How many invoices.
    pub invoices: i64,
    /// What is owed on them.
    pub amount: Money,
    /// The due day of the oldest.
    pub oldest_due_on: Day,
}

read_from_row!(Debtor {
    partner,
    name,
    invoices,
    amount,
    oldest_due_on
});

impl DashboardService {
    /// What is owed, by age.
    ///
    /// # Errors
    /// When there is no such company, or the database fails.
    #[cached(resource = "dashboard_maturity", scope(company), lease, stale_while_revalidate)]
    pub async fn maturity(&self, tenant_id: &str, company: i64) -> Result<Maturity, AppError> {
        let db = &self.books.db;
        require_company(db, tenant_id, company).await?;
        let today = self.books.today;
        let ages = query::<(i64, i64, Money)>(AGES)
            .bind(tenant_id)
            .bind(company)
            .bind(today)
            .bind(today.plus_days(-30))
            .bind(today.plus_days(-60))
            .bind(today.plus_days(-90));
        let ages = db.all(ages).await?;
        let bucket = |age: i64| {
            let found = ages.iter().find(|(bucket, _, _)| *bucket == age);
            found.map_or((0, Money::default()), |(_, invoices, amount)| (*invoices, *amount))
        };
        let buckets = [(1, "0-30"), (2, "31-60"), (3, "61-90"), (4, "90+")].map(|(age, days)| {
            let (invoices, amount) = bucket(age);
            Bucket {
                days: days.to_owned(),
                invoices,
                amount,
            }
        });
        let debtors = query(DEBTORS).bind(tenant_id).bind(company).bind(today);
        Ok(Maturity {
            company,
            as_of: today,
            not_due: bucket(0).1,
            buckets: buckets.into(),
            debtors: db.all(debtors).await?,
        })
    }
}

const AGES: &str = concat!(
    each_invoice!(),
    "
    SELECT CAST(CASE WHEN due_on > $3 THEN 0 WHEN due_on >= $4 THEN 1 WHEN due_on >= $5 THEN 2
                     WHEN due_on >= $6 THEN 3 ELSE 4 END AS BIGINT) AS age,
           COUNT(*) AS invoices, CAST(SUM(amount - paid) AS BIGINT) AS unpaid
    FROM each_invoice
    WHERE amount > paid
    GROUP BY 1"
);

const DEBTORS: &str = concat!(
    each_invoice!(),
    "
    SELECT n.id AS partner, n.name, COUNT(*) AS invoices, CAST(SUM(e.amount - e.paid) AS BIGINT) AS amount,
           MIN(e.due_on) AS oldest_due_on
    FROM each_invoice e JOIN partners n ON n.id = e.partner_id
    WHERE e.due_on <= $3 AND e.amount > e.paid
    GROUP BY n.id, n.name ORDER BY SUM(e.amount - e.paid) DESC, n.id LIMIT 10"
);
