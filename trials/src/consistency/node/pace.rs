use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use fastrand::Rng;

/// Delays at every step of the work: most are none, some short, a few so long that everything else overtakes.
#[derive(Debug)]
pub(super) struct Pace(Mutex<Rng>);

impl Pace {
    pub(super) fn new(random: Rng) -> Self {
        Self(Mutex::new(random))
    }

    pub(super) async fn pause(&self) {
        let pause = draw(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
        match pause {
            Some(pause) => tokio::time::sleep(pause).await,
            None => tokio::task::yield_now().await,
        }
    }
}

fn draw(random: &mut Rng) -> Option<Duration> {
    match random.u8(0..100) {
        0..60 => None,
        60..95 => Some(Duration::from_micros(random.u64(0..3_000))),
        _ => Some(Duration::from_millis(random.u64(5..80))),
    }
}
