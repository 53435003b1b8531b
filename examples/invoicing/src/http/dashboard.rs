//! `GET /api/dashboard/...`
use axum::{Json, extract::State};

use super::{App, input::Query};
use crate::{
    error::AppError,
    model::Page,
    services::dashboard::{Cashflow, DetailedInvoice, Maturity, Performance, Period, Summary, Trends},
    user::User,
};

pub(super) async fn summary(
    State(app): State<App>,
    user: User,
    Query(mut query): Query,
) -> Result<Json<Summary>, AppError> {
    let company = query.readable_company(&user)?;
    query.finish()?;
    Ok(Json(app.services.dashboard.summary(&user.tenant_id, company).await?))
}

pub(super) async fn trends(
    State(app): State<App>,
    user: User,
    Query(mut query): Query,
) -> Result<Json<Trends>, AppError> {
    let company = query.readable_company(&user)?;
    let period = query.optional("period")?.unwrap_or(Period::Year);
    let compare = query.optional("compare")?.unwrap_or(false);
    query.finish()?;
    Ok(Json(
        app.services
            .dashboard
            .trends(&user.tenant_id, company, period, compare)
            .await?,
    ))
}

pub(super) async fn detailed(
    State(app): State<App>,
    user: User,
    Query(mut query): Query,
) -> Result<Json<Page<DetailedInvoice>>, AppError> {
    let company = query.readable_company(&user)?;
    let search = query.text("search", 100)?.unwrap_or_default();
    let paging = query.paging()?;
    query.finish()?;
    let dashboard = &app.services.dashboard;
    Ok(Json(
        dashboard
            .detailed(&user.tenant_id, company, &search, paging.page, paging.page_size)
            .await?,
    ))
}

pub(super) async fn performance(
    State(app): State<App>,
    user: User,
    Query(mut query): Query,
) -> Result<Json<Performance>, AppError> {
    let company = query.readable_company(&user)?;
    query.finish()?;
    Ok(Json(
        app.services.dashboard.performance(&user.tenant_id, company).await?,
    ))
}

pub(super) async fn cashflow(
    State(app): State<App>,
    user: User,
    Query(mut query): Query,
) -> Result<Json<Cashflow>, AppError> {
    let company = query.readable_company(&user)?;
    query.finish()?;
    Ok(Json(app.services.dashboard.cashflow(&user.tenant_id, company).await?))
}

pub(super) async fn maturity(
    State(app): State<App>,
    user: User,
    Query(mut query): Query,
) -> Result<Json<Maturity>, AppError> {
    let company = query.readable_company(&user)?;
    query.finish()?;
    Ok(Json(app.services.dashboard.maturity(&user.tenant_id, company).await?))
}
