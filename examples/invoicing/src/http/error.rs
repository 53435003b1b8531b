//! Errors as JSON: `{"error": {"code": "invalid", "field": "page_size", "message": "...", "value": "0"}}`.
use axum::{
    Json,
    http::{Method, StatusCode, header::WWW_AUTHENTICATE},
    response::{IntoResponse, Response},
};
use serde::Serialize;

use crate::error::AppError;

#[derive(Serialize)]
struct Body {
    error: Detail,
}

#[derive(Serialize)]
struct Detail {
    code: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<String>,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<String>,
}

impl IntoResponse for AppError {
    fn into_response(self) -> Response {
        let message = self.to_string();
        let (status, code, field, value) = match self {
            Self::Invalid { field, value, .. } => (StatusCode::BAD_REQUEST, "invalid", Some(field), value),
            Self::NotFound { field, id, .. } => (
                StatusCode::NOT_FOUND,
                "not_found",
                Some(field.to_owned()),
                Some(id.to_string()),
            ),
            Self::Conflict { field, .. } => (StatusCode::CONFLICT, "conflict", Some(field.to_owned()), None),
            Self::Forbidden { field, .. } => (StatusCode::FORBIDDEN, "forbidden", Some(field.to_owned()), None),
            Self::Unauthenticated(_) => {
                let body = body("unauthenticated", Some("authorization".to_owned()), message, None);
                return (StatusCode::UNAUTHORIZED, [(WWW_AUTHENTICATE, "Bearer")], body).into_response();
            }
            Self::Late(_) => (StatusCode::SERVICE_UNAVAILABLE, "late", None, None),
            Self::Database(error) => {
                // What the database says is for the log; callers can do nothing with it.
                tracing::error!(%error, "a query failed");
                let message = "the database failed; the log says why".to_owned();
                return (StatusCode::INTERNAL_SERVER_ERROR, body("internal", None, message, None)).into_response();
            }
        };
        (status, body(code, field, message, value)).into_response()
    }
}

pub(super) fn no_such_page(path: &str) -> impl IntoResponse + use<> {
    let message = format!("there is nothing at {path}; GET / lists what there is");
    (StatusCode::NOT_FOUND, body("not_found", None, message, None))
}

pub(super) fn no_such_method(method: &Method, path: &str) -> impl IntoResponse + use<> {
    let message = format!("{path} does not take {method}; the header `allow` names what it takes");
    (
        StatusCode::METHOD_NOT_ALLOWED,
        body("method_not_allowed", None, message, None),
    )
}

fn body(code: &'static str, field: Option<String>, message: String, value: Option<String>) -> Json<Body> {
    Json(Body {
        error: Detail {
            code,
            field,
            message,
            value,
        },
    })
}
