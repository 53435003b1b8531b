//! gRPC by tonic: what lies in a warehouse is cached, and a delivery shows at once. With `REDIS_URL`, in all processes.

use std::sync::{Mutex, PoisonError};
use std::{collections::BTreeMap, error::Error};

use cache_runtime::{Cache, cached, invalidates, observe};
use tokio::signal;
use tonic::{Request, Response, Status, transport::Server};

use self::proto::warehouse_server::{Warehouse, WarehouseServer};
use self::proto::{Articles, Delivery, Nothing, Place};

mod cache_resources {
    cache_runtime::resources! {
        /// What lies in a warehouse.
        stock { ttl = "1m", scope(warehouse: u32) }
    }
}

/// `proto/warehouse.proto`, by tonic-prost-build 0.14.9. A service of your own has a build script for that, and needs `protoc`.
#[rustfmt::skip]
mod proto;

/// Stands in for the database.
#[derive(Default)]
struct Warehouses(Mutex<BTreeMap<(u32, String), u32>>);

impl Warehouses {
    #[cached(resource = "stock", scope(warehouse))]
    async fn pieces(&self, warehouse: u32) -> BTreeMap<String, u32> {
        let stock = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let here = stock.iter().filter(|((place, _), _)| *place == warehouse);
        here.map(|((_, article), pieces)| (article.clone(), *pieces)).collect()
    }
}

#[tonic::async_trait]
impl Warehouse for Warehouses {
    async fn stock(&self, request: Request<Place>) -> Result<Response<Articles>, Status> {
        let (pieces, outcomes) = observe(self.pieces(request.get_ref().warehouse)).await;
        let mut response = Response::new(Articles { pieces });
        if let Some(Ok(status)) = outcomes.cache_status("warehouses").map(|status| status.parse()) {
            response.metadata_mut().insert("cache-status", status);
        }
        Ok(response)
    }

    #[invalidates("stock"(warehouse = request.get_ref().warehouse))]
    async fn deliver(&self, request: Request<Delivery>) -> Result<Response<Nothing>, Status> {
        let Delivery {
            warehouse,
            article,
            pieces,
        } = request.into_inner();
        let mut stock = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *stock.entry((warehouse, article)).or_default() += pieces;
        Ok(Response::new(Nothing {}))
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let cache = Cache::from_env()?;
    cache.install();
    let address = "127.0.0.1:3000".parse()?;
    println!("http://{address}");
    let service = WarehouseServer::new(Warehouses::default());
    let stop = async { drop(signal::ctrl_c().await) };
    Server::builder()
        .add_service(service)
        .serve_with_shutdown(address, stop)
        .await?;
    cache.close().await;
    Ok(())
}

#[cfg(test)]
mod tests;
