//! `/api/treasury`
use axum::{Json, extract::State, http::StatusCode};

use super::{
    App,
    input::{Body, Query},
};
use crate::{
    error::AppError,
    model::Movement,
    money::Money,
    services::{NewMovement, Treasury},
    user::User,
};

pub(super) async fn show(
    State(app): State<App>,
    user: User,
    Query(mut query): Query,
) -> Result<Json<Treasury>, AppError> {
    let company = query.readable_company(&user)?;
    query.finish()?;
    Ok(Json(app.services.treasury.treasury(&user.tenant_id, company).await?))
}

pub(super) async fn book(
    State(app): State<App>,
    user: User,
    Body(mut body): Body,
) -> Result<(StatusCode, Json<Movement>), AppError> {
    let new = NewMovement {
        company: body.required("company")?,
        amount: body
            .amount("amount")?
            .ok_or_else(|| AppError::missing("amount", "is missing; what came in"))?,
        kind: body.text("kind", 30)?.unwrap_or_else(|| "other".to_owned()),
        description: body.text("description", 200)?.unwrap_or_default(),
        booked_on: body.required("booked_on")?,
    };
    body.finish()?;
    if new.amount == Money::default() {
        return Err(AppError::invalid("amount", "must not be zero", new.amount.to_string()));
    }
    Ok((
        StatusCode::CREATED,
        Json(app.services.treasury.book(&new, &user).await?),
    ))
}
