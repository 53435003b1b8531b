//! What docs/operations.md says to type does what it says.

use std::{fs, process::Command};

use cache_runtime::{
    Outcome,
    Outcome::{Hit, Miss},
    cached, observe, with_tenant,
};
use cache_testkit::{RedisServer, isolated_on};

#[cached(resource = "accounts", scope(account = id))]
async fn row(id: u64) -> u64 {
    id
}

#[cached(resource = "reports", near = "checked")]
async fn list(page: u32) -> u32 {
    page
}

/// The commands of the document that clear the tenant `client-a`, for the server at this port.
fn commands(port: u16) -> String {
    let document =
        fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/operations.md")).expect("as the test has it");
    let (_, block) = document
        .split_once("Everything of one tenant")
        .expect("as the test has it");
    let (_, block) = block.split_once("```sh\n").expect("as the test has it");
    let (block, _) = block.split_once("```").expect("as the test has it");
    block.replace("redis-cli", &format!("redis-cli -p {port}"))
}

async fn outcomes_of(tenant: &str) -> Vec<Outcome> {
    let calls = async {
        for id in 0..3 {
            row(id).await;
        }
        list(1).await;
    };
    let ((), outcomes) = observe(with_tenant(tenant, calls)).await;
    outcomes.iter().map(|call| call.outcome).collect()
}

fn keys_of(server: &RedisServer, tenant: &str) -> usize {
    let keys: Vec<String> = server
        .command(["KEYS", &format!("cache*:{tenant}:*")])
        .expect("as the test has it");
    keys.len()
}

#[tokio::test]
async fn a_tenant_is_cleared_from_a_shell_and_no_other_one() {
    let server = RedisServer::start().unwrap();
    isolated_on(&server, async |_| {
        for tenant in ["client-a", "client-ab", "a"] {
            assert_eq!(outcomes_of(tenant).await, [Miss; 4]);
        }
        assert!(keys_of(&server, "client-a") > 0);
        let others = keys_of(&server, "client-ab");
        let script = commands(server.port().unwrap());
        let typed = Command::new("sh").args(["-ec", &script]).output().unwrap();
        assert!(typed.status.success(), "{typed:?}");
        assert_eq!(keys_of(&server, "client-a"), 0);
        assert_eq!(keys_of(&server, "client-ab"), others);
        assert_eq!(outcomes_of("client-a").await, [Miss; 4]);
        let hits = outcomes_of("client-ab").await;
        assert_eq!(hits[..3], [Hit; 3]);
        assert_ne!(hits[3], Miss);
    })
    .await;
}
