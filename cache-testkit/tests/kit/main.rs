//! The kit itself: isolated caches, the spy, real servers, the bad network, the oracle.

mod cache_resources;
mod fault_proxy;
mod isolated;
mod oracle;
mod redis_server;
mod spy;
