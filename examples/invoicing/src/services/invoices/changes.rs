//! Invoices: issuing, changing and paying them.
use cache_runtime::invalidates;
use serde::Serialize;

use super::InvoiceService;
use crate::{
    day::Day,
    db::{Transaction, query},
    error::AppError,
    model::{Invoice, Movement},
    money::Money,
    services::{
        require_company_in,
        treasury::{self, NewMovement},
    },
    user::User,
};

/// An invoice to be issued.
#[derive(Clone, Debug)]
pub struct NewInvoice {
    /// The company that issues it.
    pub company: i64,
    /// The partner that will owe it.
    pub partner: i64,
    /// What will be owed.
    pub amount: Money,
    /// The day of issue.
    pub issued_on: Day,
    /// The day it has to be paid by.
    pub due_on: Day,
}

/// What of an invoice to change; what is `None` stays.
#[derive(Clone, Debug)]
pub struct InvoiceChange {
    /// Another company: the invoice was issued in the wrong name.
    pub company: Option<i64>,
    /// Another partner.
    pub partner: Option<i64>,
    /// Another amount.
    pub amount: Option<Money>,
    /// Another day of issue.
    pub issued_on: Option<Day>,
    /// Another day to pay by.
    pub due_on: Option<Day>,
}

/// A changed invoice, and the company that it belonged to before.
#[derive(Clone, Debug)]
pub struct Changed {
    /// The invoice as it is now.
    pub invoice: Invoice,
    /// The company before the change; mostly the same.
    pub previous_company: i64,
}

/// A bank transfer that pays several invoices.
#[derive(Clone, Debug)]
pub struct NewSettlement {
    /// The company that issued them all.
    pub company: i64,
    /// The invoices.
    pub invoices: Vec<i64>,
    /// The day of the bank statement.
    pub paid_on: Day,
}

/// Invoices that were paid together.
#[derive(Clone, Debug, Serialize)]
pub struct Settlement {
    /// The invoices as they are now, in the order in which they were named.
    pub invoices: Vec<Invoice>,
    /// The movement on the company's account.
    pub movement: Movement,
}

impl InvoiceService {
    /// Issues an invoice.
    ///
    /// # Errors
    /// When company or partner do not exist, the days contradict each other, the user may not write, or the database
    /// fails.
    #[invalidates("invoice_data"(company = result.company), tenant = current_user.tenant_id)]
    pub async fn issue(&self, new: &NewInvoice, current_user: &User) -> Result<Invoice, AppError> {
        current_user.may_write(new.company)?;
        check_days(new.issued_on, new.due_on)?;

        let mut transaction = self.books.db.begin().await?;
        let id = transaction.next_id("invoices").await?;
        require_company_in(&mut transaction, &current_user.tenant_id, new.company).await?;
        require_partner(&mut transaction, &current_user.tenant_id, new.partner).await?;
        let insert = query::<(i64,)>(INSERT)
            .bind(id)
            .bind(current_user.tenant_id.as_str())
            .bind(new.company)
            .bind(new.partner)
            .bind(format!("INV-{id:07}"))
            .bind(new.amount)
            .bind(new.issued_on)
            .bind(new.due_on);
        transaction.one(insert).await?;
        let invoice = read(&mut transaction, &current_user.tenant_id, id).await?;
        transaction.commit().await?;
        Ok(invoice)
    }

    /// Changes an invoice. One that moves shows in the numbers of both companies, so both are invalidated.
    ///
    /// # Errors
    /// As [`InvoiceService::issue`]; also when the invoice does not exist, or would be less than what was paid of it.
    #[invalidates(
        "invoice_data"(company = result.invoice.company),
        "invoice_data"(company = result.previous_company),
        tenant = current_user.tenant_id
    )]
    pub async fn change(&self, id: i64, change: &InvoiceChange, current_user: &User) -> Result<Changed, AppError> {
        let mut transaction = self.books.db.begin().await?;
        let old = lock(&mut transaction, &current_user.tenant_id, id).await?;
        current_user.may_write(old.company)?;

        let company = change.company.unwrap_or(old.company);
        if company != old.company {
            current_user.may_write(company)?;
            require_company_in(&mut transaction, &current_user.tenant_id, company).await?;
        }
        let partner = change.partner.unwrap_or(old.partner);
        require_partner(&mut transaction, &current_user.tenant_id, partner).await?;
        let amount = change.amount.unwrap_or(old.amount);
        if amount < old.paid {
            let problem = format!("invoice {id} cannot be less than the {} that was paid of it", old.paid);
            return Err(AppError::Conflict {
                field: "amount",
                problem,
            });
        }
        let (issued_on, due_on) = (
            change.issued_on.unwrap_or(old.issued_on),
            change.due_on.unwrap_or(old.due_on),
        );
        check_days(issued_on, due_on)?;

        let update = query::<(i64,)>(UPDATE)
            .bind(id)
            .bind(company)
            .bind(partner)
            .bind(amount)
            .bind(issued_on)
            .bind(due_on);
        transaction.one(update).await?;
        let invoice = read(&mut transaction, &current_user.tenant_id, id).await?;
        transaction.commit().await?;
        Ok(Changed {
            invoice,
            previous_company: old.company,
        })
    }

    /// Takes the payment of whatever is still owed, on `paid_on` or else today, and books it in the treasury.
    ///
    /// # Errors
    /// When the invoice does not exist or is paid already, the user may not write, or the database fails.
    pub async fn pay(&self, id: i64, paid_on: Option<Day>, current_user: &User) -> Result<Invoice, AppError> {
        cache_runtime::transaction(async {
            let mut transaction = self.books.db.begin().await?;
            let payment = take_payment(&mut transaction, id, paid_on, self.books.today, current_user).await?;
            let receipt = NewMovement {
                company: payment.invoice.company,
                amount: payment.amount,
                kind: RECEIPT.to_owned(),
                description: format!("Payment of {}", payment.invoice.number),
                booked_on: payment.paid_on,
            };
            treasury::book_in(&mut transaction, &receipt, current_user).await?;
            transaction.commit().await?;
            Ok(payment.invoice)
        })
        .await
    }

    /// Takes one bank transfer that pays several invoices of one company: all of them, or none.
    ///
    /// # Errors
    /// As [`InvoiceService::pay`], for the first invoice that cannot be paid; also when an invoice is of another company.
    pub async fn settle(&self, new: &NewSettlement, current_user: &User) -> Result<Settlement, AppError> {
        cache_runtime::transaction(async {
            let mut transaction = self.books.db.begin().await?;
            let (mut invoices, mut total) = (Vec::with_capacity(new.invoices.len()), Money::default());
            for &id in &new.invoices {
                let paid_on = Some(new.paid_on);
                let payment = take_payment(&mut transaction, id, paid_on, self.books.today, current_user).await?;
                if payment.invoice.company != new.company {
                    let (of, not_of) = (payment.invoice.company, new.company);
                    let problem = format!("invoice {id} is of company {of}, not of company {not_of}; settle it there");
                    return Err(AppError::Conflict {
                        field: "invoices",
                        problem,
                    });
                }
                total += payment.amount;
                invoices.push(payment.invoice);
            }
            let receipt = NewMovement {
                company: new.company,
                amount: total,
                kind: RECEIPT.to_owned(),
                description: format!("Payment of {} invoices", invoices.len()),
                booked_on: new.paid_on,
            };
            let movement = treasury::book_in(&mut transaction, &receipt, current_user).await?;
            transaction.commit().await?;
            Ok(Settlement { invoices, movement })
        })
        .await
    }
}

/// Takes the payment of an invoice in a database transaction of the caller's, who commits inside
/// `cache_runtime::transaction`.
#[invalidates("payment_data"(company = result.invoice.company), tenant = current_user.tenant_id)]
async fn take_payment(
    transaction: &mut Transaction,
    id: i64,
    paid_on: Option<Day>,
    today: Day,
    current_user: &User,
) -> Result<Payment, AppError> {
    let invoice = lock(transaction, &current_user.tenant_id, id).await?;
    current_user.may_write(invoice.company)?;
    // An invoice that was issued after the last day of the data cannot be paid before that.
    let paid_on = paid_on.unwrap_or(today.max(invoice.issued_on));
    if paid_on < invoice.issued_on {
        let problem = format!("must not be before the invoice's day of issue, {}", invoice.issued_on);
        return Err(AppError::invalid("paid_on", problem, paid_on.to_string()));
    }
    let amount = invoice.amount - invoice.paid;
    if amount <= Money::default() {
        let problem = format!("invoice {id} is paid already; there is nothing left to pay");
        return Err(AppError::Conflict { field: "id", problem });
    }

    let payment = transaction.next_id("payments").await?;
    let pay = query::<(i64,)>(PAY)
        .bind(payment)
        .bind(id)
        .bind(current_user.tenant_id.as_str())
        .bind(invoice.company)
        .bind(amount)
        .bind(paid_on);
    transaction.one(pay).await?;
    Ok(Payment {
        invoice: Invoice {
            paid: invoice.amount,
            ..invoice
        },
        amount,
        paid_on,
    })
}

/// A payment that has been taken.
struct Payment {
    /// The invoice, paid.
    invoice: Invoice,
    amount: Money,
    paid_on: Day,
}

/// The kind of a treasury movement that is a payment of invoices.
const RECEIPT: &str = "receipt";

fn check_days(issued_on: Day, due_on: Day) -> Result<(), AppError> {
    if due_on < issued_on {
        let problem = format!("must not be before `issued_on`, {issued_on}");
        return Err(AppError::invalid("due_on", problem, due_on.to_string()));
    }
    Ok(())
}

async fn require_partner(transaction: &mut Transaction, tenant_id: &str, partner: i64) -> Result<(), AppError> {
    let sql = "SELECT id FROM partners WHERE tenant_id = $1 AND id = $2";
    let found = transaction
        .optional::<(i64,)>(query(sql).bind(tenant_id).bind(partner))
        .await?;
    found.map(|_| ()).ok_or(AppError::NotFound {
        field: "partner",
        what: "partner",
        id: partner,
    })
}

/// Reads an invoice that nobody else can change until the end of the transaction. The update that changes nothing is
/// `SELECT ... FOR UPDATE` for a database that has none.
async fn lock(transaction: &mut Transaction, tenant_id: &str, id: i64) -> Result<Invoice, AppError> {
    let sql = "UPDATE invoices SET number = number WHERE tenant_id = $1 AND id = $2 RETURNING id";
    let found = transaction
        .optional::<(i64,)>(query(sql).bind(tenant_id).bind(id))
        .await?;
    found.ok_or(AppError::NotFound {
        field: "id",
        what: "invoice",
        id,
    })?;
    read(transaction, tenant_id, id).await
}

async fn read(transaction: &mut Transaction, tenant_id: &str, id: i64) -> Result<Invoice, AppError> {
    Ok(transaction.one(query(READ).bind(tenant_id).bind(id)).await?)
}

const READ: &str = "
    SELECT i.id, i.number, i.company_id AS company, i.partner_id AS partner, n.name AS partner_name, i.amount,
           (SELECT CAST(COALESCE(SUM(p.amount), 0) AS BIGINT) FROM payments p WHERE p.invoice_id = i.id) AS paid,
           i.issued_on, i.due_on
    FROM invoices i JOIN partners n ON n.id = i.partner_id
    WHERE i.tenant_id = $1 AND i.id = $2";

const INSERT: &str = "
    INSERT INTO invoices (id, tenant_id, company_id, partner_id, number, amount, issued_on, due_on)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
    RETURNING id";

const UPDATE: &str = "
    UPDATE invoices SET company_id = $2, partner_id = $3, amount = $4, issued_on = $5, due_on = $6
    WHERE id = $1
    RETURNING id";

const PAY: &str = "
    INSERT INTO payments (id, invoice_id, tenant_id, company_id, amount, paid_on) VALUES ($1, $2, $3, $4, $5, $6)
    RETURNING id";
