//! A running service for one test.
use std::{collections::BTreeSet, sync::Arc};

use cache_runtime::Cache;
use invoicing::{
    db::{self, Target},
    http::{self, App, Claims, Tokens},
    services::Services,
    user::Role,
};
use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;

pub(crate) struct Service {
    address: String,
    client: reqwest::Client,
    tokens: Arc<Tokens>,
    token: Option<String>,
    // Removed when the test ends.
    folder: Arc<TempDir>,
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) x_cache: Option<String>,
    pub(crate) text: String,
}

impl Service {
    /// Three companies and 600 invoices for `default`, cached in the process.
    pub(crate) async fn start() -> Self {
        Self::with(Cache::builder().build(), Some("a secret of this test")).await
    }

    pub(crate) async fn with(cache: Cache, secret: Option<&str>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let target = Target::file(folder.path().join("test.db"));
        let books = db::open(&target, Some(3), Some(600)).await.unwrap();
        let tokens = Arc::new(Tokens::new(secret));
        let app = App {
            services: Services::new(&books),
            cache,
            tokens: Arc::clone(&tokens),
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        // Ends with the runtime of the test.
        tokio::spawn(http::serve(listener, app, std::future::pending()));
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        Self {
            address,
            client,
            tokens,
            token: None,
            folder: Arc::new(folder),
        }
    }

    /// The same service, asked by somebody with this token.
    pub(crate) fn with_token(&self, token: impl Into<String>) -> Self {
        Self {
            address: self.address.clone(),
            client: self.client.clone(),
            tokens: Arc::clone(&self.tokens),
            token: Some(token.into()),
            folder: Arc::clone(&self.folder),
        }
    }

    /// The same service, asked by a user of this tenant.
    pub(crate) fn of_tenant(&self, tenant: &str) -> Self {
        self.of_user(tenant, Role::Accountant, None)
    }

    pub(crate) fn of_user(&self, tenant: &str, role: Role, companies: Option<&[i64]>) -> Self {
        let companies = companies.map(|companies| companies.iter().copied().collect::<BTreeSet<_>>());
        let claims = Claims {
            tenant_id: tenant.to_owned(),
            sub: "ana".to_owned(),
            companies,
            role,
            exp: None,
        };
        self.with_token(self.tokens.sign(&claims).unwrap())
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, String::new()).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.send(Method::POST, path, body.to_string()).await
    }

    pub(crate) async fn put(&self, path: &str, body: Value) -> Answer {
        self.send(Method::PUT, path, body.to_string()).await
    }

    pub(crate) async fn send(&self, method: Method, path: &str, body: impl Into<String>) -> Answer {
        let mut request = self
            .client
            .request(method, format!("{}{path}", self.address))
            .body(body.into());
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        let x_cache = response
            .headers()
            .get("x-cache")
            .map(|value| value.to_str().unwrap().to_owned());
        Answer {
            status,
            x_cache,
            text: response.text().await.unwrap(),
        }
    }

    /// Issues an invoice and returns its id.
    pub(crate) async fn issue(&self, company: i64, amount: f64) -> i64 {
        let body = json!({
            "company": company, "partner": 1, "amount": amount, "issued_on": "2025-12-30", "due_on": "2026-01-30"
        });
        let answer = self.post("/api/invoices", body).await;
        assert_eq!(answer.status, 201, "{}", answer.text);
        answer.json()["id"].as_i64().unwrap()
    }
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    /// The body of a success.
    #[track_caller]
    pub(crate) fn ok(&self) -> Value {
        assert_eq!(self.status, 200, "{}", self.text);
        self.json()
    }

    pub(crate) fn is_hit(&self) -> bool {
        matches!(self.x_cache.as_deref(), Some("hit" | "near_hit"))
    }
}

/// A decimal number in minor units.
pub(crate) fn cents(value: &Value) -> i64 {
    #[expect(clippy::cast_possible_truncation, reason = "small amounts")]
    let cents = (value.as_f64().unwrap_or_else(|| panic!("{value} is no number")) * 100.0).round() as i64;
    cents
}
