//! A running service for one test.
use std::{collections::BTreeSet, sync::Arc};

use cache_runtime::Cache;
use invoicing::{
    db::{self, Books, Target},
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

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) etag: Option<String>,
    pub(crate) cache_status: Option<String>,
    pub(crate) text: String,
}

impl Service {
    /// Three companies and 600 invoices for `default`, cached in the process.
    pub(crate) async fn start() -> Self {
        Self::with(Cache::builder().build(), Some("a secret of this test")).await
    }

    pub(crate) async fn with(cache: Cache, secret: Option<&str>) -> Self {
        let (books, folder) = books().await;
        Self::on(&books, cache, secret, folder).await
    }

    async fn on(books: &Books, cache: Cache, secret: Option<&str>, folder: Arc<TempDir>) -> Self {
        let tokens = Arc::new(Tokens::new(secret));
        let app = App {
            services: Services::new(books),
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
            folder,
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

    /// As [`get`](Self::get), by a client that has the response with this tag.
    pub(crate) async fn get_having(&self, path: &str, etag: &str) -> Answer {
        let request = self.client.get(format!("{}{path}", self.address));
        self.answer(request.header("if-none-match", etag)).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.send(Method::POST, path, body.to_string()).await
    }

    pub(crate) async fn put(&self, path: &str, body: Value) -> Answer {
        self.send(Method::PUT, path, body.to_string()).await
    }

    pub(crate) async fn send(&self, method: Method, path: &str, body: impl Into<String>) -> Answer {
        let request = self.client.request(method, format!("{}{path}", self.address));
        self.answer(request.body(body.into())).await
    }

    async fn answer(&self, mut request: reqwest::RequestBuilder) -> Answer {
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        let header = |name| {
            let value = response.headers().get(name)?;
            Some(value.to_str().unwrap().to_owned())
        };
        let (cache_status, etag) = (header("cache-status"), header("etag"));
        Answer {
            status,
            etag,
            cache_status,
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

/// Several nodes of the service, each with a cache of its own, on one database.
pub(crate) struct Cluster(Vec<Arc<Service>>);

impl Cluster {
    pub(crate) async fn start(caches: Vec<Cache>) -> Self {
        let (books, folder) = books().await;
        let mut nodes = Vec::new();
        for cache in caches {
            nodes.push(Arc::new(Service::on(&books, cache, None, Arc::clone(&folder)).await));
        }
        Self(nodes)
    }

    pub(crate) fn nodes(&self) -> &[Arc<Service>] {
        &self.0
    }
}

/// Three companies and 600 invoices for `default`, in a folder that goes with the test.
async fn books() -> (Books, Arc<TempDir>) {
    let folder = tempfile::tempdir().unwrap();
    let target = Target::file(folder.path().join("test.db"));
    (db::open(&target, Some(3), Some(600)).await.unwrap(), Arc::new(folder))
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
        self.says("hit") && !self.says("detail=stale_hit")
    }

    /// Whether this is among what it says of the cache.
    pub(crate) fn says(&self, words: &str) -> bool {
        let said = self.cache_status.as_deref().unwrap_or_default();
        said.split("; ").any(|said| said == words)
    }
}

/// A decimal number in minor units.
pub(crate) fn cents(value: &Value) -> i64 {
    #[expect(clippy::cast_possible_truncation, reason = "small amounts")]
    let cents = (value.as_f64().unwrap_or_else(|| panic!("{value} is no number")) * 100.0).round() as i64;
    cents
}
