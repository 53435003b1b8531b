//! `/api/companies`
use axum::{Extension, Json, extract::State};
use cache_runtime::http::ETag;

use super::{
    App,
    input::{Body, Id, Query},
};
use crate::{
    error::AppError,
    model::{Company, Page},
    services::CompanyChange,
    user::User,
};

pub(super) async fn list(
    State(app): State<App>,
    user: User,
    Query(mut query): Query,
) -> Result<(Extension<ETag>, Json<Page<Company>>), AppError> {
    let paging = query.paging()?;
    query.finish()?;
    // All of a tenant have one entry, and each user is shown a part of it.
    let etag = ETag::of_calls().with(user.visible());
    Ok((
        Extension(etag),
        Json(app.services.companies.visible(&user, paging).await?),
    ))
}

pub(super) async fn change(
    State(app): State<App>,
    user: User,
    Id(id): Id,
    Body(mut body): Body,
) -> Result<Json<Company>, AppError> {
    body.not_empty()?;
    let change = CompanyChange {
        name: body.text("name", 200)?,
        tax_number: body.text("tax_number", 50)?,
    };
    body.finish()?;
    Ok(Json(app.services.companies.change(id, &change, &user).await?))
}
