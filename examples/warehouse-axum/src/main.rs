//! axum and sqlx: what lies in a warehouse is cached, and a delivery shows at once. With `REDIS_URL`, in all processes.

use std::error::Error;

use axum::extract::{Path, State};
use axum::routing::{get, put};
use axum::{Json, Router, http::StatusCode, response::IntoResponse};
use cache_runtime::{Cache, cached, http::CacheLayer, invalidates};
use sqlx::{SqlitePool, sqlite::SqlitePoolOptions};
use tokio::{net::TcpListener, signal};

mod cache_resources {
    cache_runtime::resources! {
        /// What lies in a warehouse.
        stock { ttl = "1m", scope(warehouse: i64) }
    }
}

#[derive(Clone)]
struct Warehouses(SqlitePool);

impl Warehouses {
    #[cached(resource = "stock", scope(warehouse))]
    async fn stock(&self, warehouse: i64) -> Result<Vec<(String, i64)>, sqlx::Error> {
        let select = "SELECT article, pieces FROM stock WHERE warehouse = ? ORDER BY article";
        sqlx::query_as(select).bind(warehouse).fetch_all(&self.0).await
    }

    #[invalidates("stock"(warehouse))]
    async fn deliver(&self, warehouse: i64, article: &str, pieces: i64) -> Result<(), sqlx::Error> {
        let upsert = "INSERT INTO stock VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET pieces = pieces + excluded.pieces";
        let delivery = sqlx::query(upsert).bind(warehouse).bind(article).bind(pieces);
        delivery.execute(&self.0).await.map(drop)
    }
}

async fn show(State(warehouses): State<Warehouses>, Path(warehouse): Path<i64>) -> impl IntoResponse {
    warehouses.stock(warehouse).await.map(Json).map_err(failed)
}

async fn deliver(State(warehouses): State<Warehouses>, Path(delivery): Path<(i64, String, i64)>) -> impl IntoResponse {
    let (warehouse, article, pieces) = delivery;
    warehouses.deliver(warehouse, &article, pieces).await.map_err(failed)
}

fn failed(error: impl Error) -> (StatusCode, String) {
    (StatusCode::INTERNAL_SERVER_ERROR, error.to_string())
}

async fn router() -> Result<Router, sqlx::Error> {
    let pool = SqlitePoolOptions::new().max_connections(1);
    let pool = pool.connect("sqlite::memory:").await?;
    let table = "CREATE TABLE stock (warehouse, article, pieces, PRIMARY KEY (warehouse, article))";
    sqlx::query(table).execute(&pool).await?;
    let routes = Router::new().route("/{warehouse}", get(show));
    let routes = routes.route("/{warehouse}/{article}/{pieces}", put(deliver));
    // Responses say what the cache has done: `Cache-Status: warehouses; hit; ttl=42`.
    Ok(routes.layer(CacheLayer::new("warehouses")).with_state(Warehouses(pool)))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let cache = Cache::from_env()?;
    cache.install();
    let listener = TcpListener::bind("127.0.0.1:3000").await?;
    println!("http://127.0.0.1:3000");
    let stop = async { drop(signal::ctrl_c().await) };
    axum::serve(listener, router().await?)
        .with_graceful_shutdown(stop)
        .await?;
    cache.close().await;
    Ok(())
}

#[cfg(test)]
mod tests;
