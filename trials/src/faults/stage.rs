//! What one row is played on: servers, and three processes of the service on one database.

use std::{path::Path, sync::Arc};

use anyhow::Result;

use super::{matrix::Row, service::Service};
use crate::lab::{
    servers::Servers,
    strike::{Fault, RIGHTS},
};

/// Ways to the server: one for each process that has a cache.
const WAYS: u64 = 2;

/// What stays the same in all rows.
#[derive(Debug)]
pub(super) struct Scenery<'a> {
    pub(super) program: &'a Path,
    pub(super) database: &'a Path,
    /// The service without its cache: what the bare bodies take.
    pub(super) bare: Arc<Service>,
}

/// The servers and processes of one row.
pub(super) struct Stage {
    pub(super) servers: Servers,
    pub(super) services: Services,
}

/// The same service three times over.
#[derive(Debug, Clone)]
pub(super) struct Services {
    pub(super) bare: Arc<Service>,
    /// The one that is measured, and that everything is written through.
    pub(super) cached: Arc<Service>,
    /// Another process behind the same cache, which must not be given old values either.
    pub(super) neighbour: Arc<Service>,
}

impl Stage {
    pub(super) async fn set(scenery: &Scenery<'_>, row: &Row, log: &str) -> Result<Self> {
        let fault = row.fault();
        let mut config = vec![RIGHTS];
        config.extend(fault.map_or(&[][..], Fault::config));
        let servers = Servers::start(&config, WAYS, fault.is_some_and(Fault::needs_standby)).await?;
        if fault == Some(Fault::Absent) {
            servers.kill().await?;
        }
        let start = async |way: usize| {
            let redis = Some(servers.ways()[way].address());
            Service::start(scenery.program, scenery.database, redis, log)
                .await
                .map(Arc::new)
        };
        let services = Services {
            bare: Arc::clone(&scenery.bare),
            cached: start(0).await?,
            neighbour: start(1).await?,
        };
        Ok(Self { servers, services })
    }
}
