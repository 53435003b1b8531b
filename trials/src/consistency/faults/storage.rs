//! What happens to the store.

use anyhow::Result;
use fastrand::Rng;
use tokio::time::sleep;

use super::{Log, millis};
use crate::{consistency::options::Fault, lab::servers::Servers};

pub(crate) const KINDS: [Fault; 7] = [
    Fault::Kill,
    Fault::Stop,
    Fault::Evict,
    Fault::Untrack,
    Fault::Failover,
    Fault::Snapshot,
    Fault::Swapdb,
];

/// Below what an empty server needs: every write evicts something, or is refused.
const SQUEEZED: &str = "500kb";

pub(crate) async fn strike(fault: Fault, random: &mut Rng, servers: &mut Servers, log: &Log) -> Result<()> {
    match fault {
        Fault::Kill => {
            let down = millis(random, 20..800);
            log.note(fault, format!("Redis is killed and comes back after {down:?}"));
            servers.kill().await?;
            sleep(down).await;
            servers.restart().await
        }
        Fault::Stop => {
            let still = millis(random, 20..1_500);
            log.note(fault, format!("Redis stands still for {still:?}"));
            servers.pause();
            sleep(still).await;
            servers.resume();
            Ok(())
        }
        Fault::Evict if random.u8(0..4) == 0 => squeeze(random, servers, log).await,
        Fault::Evict => delete_some(random, servers, log).await,
        Fault::Untrack => {
            let closed = servers.close_tracking().await?;
            log.note(fault, format!("{closed} connections that report changes are closed"));
            Ok(())
        }
        Fault::Failover => {
            let missed = millis(random, 50..800);
            log.note(fault, format!("a replica is promoted that has missed {missed:?}"));
            servers.cut_off_standby();
            sleep(missed).await;
            servers.fail_over().await
        }
        Fault::Snapshot => {
            let (missed, down) = (millis(random, 50..800), millis(random, 20..300));
            log.note(
                fault,
                format!("Redis is killed and comes back as it was {missed:?} before"),
            );
            servers.save().await?;
            sleep(missed).await;
            servers.kill().await?;
            sleep(down).await;
            servers.restart().await?;
            servers.forget_saved()
        }
        Fault::Swapdb => {
            log.note(fault, "the database is swapped for an empty one");
            servers.swap_database().await
        }
        _ => unreachable!("{fault:?} does not happen to the store"),
    }
}

/// As an eviction would: any key may go, stamps among them.
async fn delete_some(random: &mut Rng, servers: &Servers, log: &Log) -> Result<()> {
    let count = random.usize(1..150);
    log.note(Fault::Evict, format!("{count} keys are deleted at random"));
    for _ in 0..count {
        if let Some(key) = servers.random_key().await? {
            servers.command(&["DEL", &key]).await?;
        }
        sleep(millis(random, 0..8)).await;
    }
    Ok(())
}

async fn squeeze(random: &mut Rng, servers: &Servers, log: &Log) -> Result<()> {
    let policies = ["allkeys-random", "allkeys-lru", "noeviction"];
    let (policy, full) = (policies[random.usize(0..policies.len())], millis(random, 50..800));
    log.note(Fault::Evict, format!("Redis has no memory for {full:?}, {policy}"));
    servers
        .command(&["CONFIG", "SET", "maxmemory-policy", policy, "maxmemory", SQUEEZED])
        .await?;
    sleep(full).await;
    servers.command(&["CONFIG", "SET", "maxmemory", "0"]).await
}
