//! `/api/invoices`
use axum::{Json, extract::State, http::StatusCode};

use super::{
    App,
    input::{Body, Fields, Id, Query},
};
use crate::{
    error::AppError,
    model::{Invoice, Page},
    money::Money,
    services::{InvoiceChange, InvoiceFilter, InvoicesSummary, NewInvoice, NewSettlement, Settlement},
    user::User,
};

pub(super) async fn list(
    State(app): State<App>,
    user: User,
    Query(mut query): Query,
) -> Result<Json<Page<Invoice>>, AppError> {
    let company = query.readable_company(&user)?;
    let filter = InvoiceFilter {
        partner: query.within("partner", 1..=i64::MAX)?,
        from: query.optional("from")?,
        to: query.optional("to")?,
        unpaid: query.optional("unpaid")?.unwrap_or(false),
        paging: query.paging()?,
    };
    query.finish()?;
    Ok(Json(
        app.services.invoices.list(&user.tenant_id, company, &filter).await?,
    ))
}

pub(super) async fn summary(
    State(app): State<App>,
    user: User,
    Query(mut query): Query,
) -> Result<Json<InvoicesSummary>, AppError> {
    let company = query.readable_company(&user)?;
    query.finish()?;
    Ok(Json(app.services.invoices.summary(&user.tenant_id, company).await?))
}

pub(super) async fn issue(
    State(app): State<App>,
    user: User,
    Body(mut body): Body,
) -> Result<(StatusCode, Json<Invoice>), AppError> {
    let new = NewInvoice {
        company: body.required("company")?,
        partner: body.required("partner")?,
        amount: owed(&mut body)?.ok_or_else(|| AppError::missing("amount", "is missing; what is owed"))?,
        issued_on: body.required("issued_on")?,
        due_on: body.required("due_on")?,
    };
    body.finish()?;
    Ok((
        StatusCode::CREATED,
        Json(app.services.invoices.issue(&new, &user).await?),
    ))
}

pub(super) async fn change(
    State(app): State<App>,
    user: User,
    Id(id): Id,
    Body(mut body): Body,
) -> Result<Json<Invoice>, AppError> {
    body.not_empty()?;
    let change = InvoiceChange {
        company: body.optional("company")?,
        partner: body.optional("partner")?,
        amount: owed(&mut body)?,
        issued_on: body.optional("issued_on")?,
        due_on: body.optional("due_on")?,
    };
    body.finish()?;
    Ok(Json(app.services.invoices.change(id, &change, &user).await?.invoice))
}

pub(super) async fn pay(
    State(app): State<App>,
    user: User,
    Id(id): Id,
    Body(mut body): Body,
) -> Result<Json<Invoice>, AppError> {
    let paid_on = body.optional("paid_on")?;
    body.finish()?;
    Ok(Json(app.services.invoices.pay(id, paid_on, &user).await?))
}

pub(super) async fn settle(
    State(app): State<App>,
    user: User,
    Body(mut body): Body,
) -> Result<(StatusCode, Json<Settlement>), AppError> {
    let new = NewSettlement {
        company: body.required("company")?,
        invoices: body.required("invoices")?,
        paid_on: body.required("paid_on")?,
    };
    body.finish()?;
    if new.invoices.is_empty() || new.invoices.len() > MOST_SETTLED {
        let problem = format!("must name 1 to {MOST_SETTLED} invoices");
        return Err(AppError::invalid("invoices", problem, new.invoices.len().to_string()));
    }
    Ok((
        StatusCode::CREATED,
        Json(app.services.invoices.settle(&new, &user).await?),
    ))
}

/// How many invoices a settlement may name: nobody else writes while they are being paid.
const MOST_SETTLED: usize = 100;

/// The amount of an invoice, which is more than nothing.
fn owed(body: &mut Fields) -> Result<Option<Money>, AppError> {
    match body.amount("amount")? {
        Some(amount) if amount <= Money::default() => Err(AppError::invalid(
            "amount",
            "must be more than zero",
            amount.to_string(),
        )),
        amount => Ok(amount),
    }
}
