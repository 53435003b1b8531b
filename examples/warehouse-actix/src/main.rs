//! actix-web: what lies in a warehouse is cached, and a delivery shows at once. With `REDIS_URL`, in all processes.

use std::{
    collections::BTreeMap,
    error::Error,
    sync::{Mutex, PoisonError},
};

use actix_web::{
    App, HttpResponse, HttpServer, Responder,
    web::{Data, Json, Path, ServiceConfig, get, put, resource},
};
use cache_runtime::{Cache, cached, invalidates, observe};

mod cache_resources {
    cache_runtime::resources! {
        /// What lies in a warehouse.
        stock { ttl = "1m", scope(warehouse: u32) }
    }
}

/// Stands in for the database.
#[derive(Default)]
struct Warehouses(Mutex<BTreeMap<(u32, String), u32>>);

impl Warehouses {
    #[cached(resource = "stock", scope(warehouse))]
    async fn stock(&self, warehouse: u32) -> BTreeMap<String, u32> {
        let stock = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let here = stock.iter().filter(|((place, _), _)| *place == warehouse);
        here.map(|((_, article), pieces)| (article.clone(), *pieces)).collect()
    }

    #[invalidates("stock"(warehouse))]
    async fn deliver(&self, warehouse: u32, article: String, pieces: u32) {
        let mut stock = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *stock.entry((warehouse, article)).or_default() += pieces;
    }
}

async fn show(warehouses: Data<Warehouses>, warehouse: Path<u32>) -> impl Responder {
    let (stock, outcomes) = observe(warehouses.stock(*warehouse)).await;
    let status = outcomes.cache_status("warehouses").unwrap_or_default();
    HttpResponse::Ok().insert_header(("cache-status", status)).json(stock)
}

async fn deliver(warehouses: Data<Warehouses>, delivery: Path<(u32, String, u32)>) -> impl Responder {
    let (warehouse, article, pieces) = delivery.into_inner();
    warehouses.deliver(warehouse, article.clone(), pieces).await;
    Json(format!("{pieces} {article} to warehouse {warehouse}"))
}

fn routes(service: &mut ServiceConfig) {
    service.service(resource("/{warehouse}").route(get().to(show)));
    service.service(resource("/{warehouse}/{article}/{pieces}").route(put().to(deliver)));
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let cache = Cache::from_env()?;
    cache.install(); // the handlers of all worker threads use it
    let warehouses = Data::new(Warehouses::default());
    let server = HttpServer::new(move || App::new().app_data(warehouses.clone()).configure(routes));
    let server = server.bind("127.0.0.1:3000")?;
    println!("http://{}", server.addrs()[0]);
    server.run().await?; // until Ctrl-C
    cache.close().await;
    Ok(())
}

#[cfg(test)]
mod tests;
