//! Who asks: the user in a signed token, or nobody in particular.
use std::{collections::BTreeSet, fmt};

use axum::{
    extract::{FromRequestParts, Request, State},
    http::{HeaderMap, header::AUTHORIZATION, request::Parts},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};

use super::App;
use crate::{
    error::AppError,
    user::{Role, User},
};

/// What a token says. Only the tenant has to be there.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Claims {
    /// The tenant whose books the user works on.
    pub tenant_id: String,
    /// The user's name.
    #[serde(default = "unnamed")]
    pub sub: String,
    /// The companies that the user may see; all of the tenant's when it is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub companies: Option<BTreeSet<i64>>,
    /// What the user may do.
    #[serde(default)]
    pub role: Role,
    /// When the token ends, in seconds since 1970; a token without it does not end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exp: Option<u64>,
}

fn unnamed() -> String {
    "unnamed".to_owned()
}

/// Signs and verifies tokens (HS256) with the secret of this service.
pub struct Tokens {
    keys: Option<(EncodingKey, DecodingKey)>,
    validation: Validation,
}

impl Tokens {
    /// Tokens signed with `secret`; without one, no token is accepted.
    pub fn new(secret: Option<&str>) -> Self {
        let mut validation = Validation::new(Algorithm::HS256);
        // An end is checked when there is one.
        validation.required_spec_claims.clear();
        let keys = secret.map(|secret| {
            (
                EncodingKey::from_secret(secret.as_bytes()),
                DecodingKey::from_secret(secret.as_bytes()),
            )
        });
        Self { keys, validation }
    }

    /// A signed token.
    ///
    /// # Errors
    /// When there is no secret.
    pub fn sign(&self, claims: &Claims) -> Result<String, AppError> {
        let (key, _) = self.keys.as_ref().ok_or_else(no_secret)?;
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), claims, key)
            .map_err(|error| AppError::Unauthenticated(format!("the token cannot be signed: {error}")))
    }

    /// The user of a request.
    fn user(&self, headers: &HeaderMap) -> Result<User, AppError> {
        let Some(header) = headers.get(AUTHORIZATION) else {
            return Ok(User::anonymous());
        };
        let token = header.to_str().ok().and_then(|value| value.split_once(' '));
        let Some(("Bearer" | "bearer", token)) = token else {
            return Err(AppError::Unauthenticated(
                "the header `authorization` must be `Bearer <token>`".to_owned(),
            ));
        };
        let (_, key) = self.keys.as_ref().ok_or_else(no_secret)?;
        let claims = jsonwebtoken::decode::<Claims>(token.trim(), key, &self.validation)
            .map_err(|error| AppError::Unauthenticated(format!("the token is not accepted: {error}")))?
            .claims;
        if claims.tenant_id.is_empty() {
            return Err(AppError::Unauthenticated(
                "the token's claim `tenant_id` is empty".to_owned(),
            ));
        }
        Ok(User::new(claims.tenant_id, claims.sub, claims.role, claims.companies))
    }
}

fn no_secret() -> AppError {
    AppError::Unauthenticated("tokens need a secret: start the service with JWT_SECRET set, or send none".to_owned())
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokens")
            .field("accepted", &self.keys.is_some())
            .finish_non_exhaustive()
    }
}

/// Finds out who asks before anything else happens; a bad token ends the request here.
pub(super) async fn authenticate(State(app): State<App>, mut request: Request, next: Next) -> Response {
    match app.tokens.user(request.headers()) {
        Ok(user) => {
            request.extensions_mut().insert(user);
            next.run(request).await
        }
        Err(error) => error.into_response(),
    }
}

impl<S: Sync> FromRequestParts<S> for User {
    type Rejection = AppError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, AppError> {
        let user = parts.extensions.get::<Self>();
        user.cloned()
            .ok_or_else(|| AppError::Unauthenticated("nobody was authenticated".to_owned()))
    }
}
