//! What happens to single nodes.

use anyhow::Result;
use cache_testkit::Direction;
use fastrand::Rng;
use tokio::time::sleep;

use super::{Log, millis};
use crate::consistency::{fleet::Fleet, options::Fault};

pub(crate) const KINDS: [Fault; 2] = [Fault::Partition, Fault::Node];

pub(crate) async fn strike(fault: Fault, random: &mut Rng, fleet: &Fleet, log: &Log) -> Result<()> {
    let seat = random.usize(0..fleet.seats().len());
    if fault == Fault::Node {
        log.note(fault, format!("the node in seat {seat} is killed and replaced"));
        return fleet.replace(&fleet.seats()[seat]).await;
    }
    let way = &fleet.seats()[seat].way;
    let direction = [Direction::ToServer, Direction::ToClient, Direction::Both][random.usize(0..3)];
    let lasting = millis(random, 20..1_500);
    let what = match random.u8(0..8) {
        0 | 1 => {
            way.black_hole(direction);
            format!("a black hole ({direction:?}) for {lasting:?}")
        }
        2 => {
            let by = millis(random, 1..120);
            way.delay(direction, by);
            format!("{by:?} of delay ({direction:?}) for {lasting:?}")
        }
        3 => {
            way.reset();
            "connections are reset".to_owned()
        }
        4 => {
            way.refuse();
            format!("connections are refused for {lasting:?}")
        }
        5 | 6 => {
            let count = (0..random.u8(1..=3)).filter(|_| way.strand_one()).count();
            format!("{count} of the connections are stranded")
        }
        _ => {
            way.half_close(direction);
            format!("connections are half-closed ({direction:?})")
        }
    };
    log.note(fault, format!("seat {seat}: {what}"));
    sleep(lasting).await;
    way.heal();
    Ok(())
}
