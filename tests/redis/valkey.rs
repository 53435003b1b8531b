//! The runtime on Valkey, where a `valkey-server` is installed.

use cache_runtime::store::{RedisConfig, RedisStore};
use cache_testkit::{RedisServer, contract};

#[tokio::test]
async fn the_store_keeps_the_contract_on_valkey() {
    let Ok(binary) = which::which("valkey-server") else {
        println!("skipped: there is no `valkey-server` on the PATH");
        return;
    };
    let server = RedisServer::builder().binary(binary).start().unwrap();
    contract::run(async || RedisStore::new(RedisConfig::new(server.url()).expect("the address of the server"))).await;
}
