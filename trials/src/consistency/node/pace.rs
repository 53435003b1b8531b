use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use fastrand::Rng;

/// Delays at every step of the work: most are none, some short, a few so long that everything else overtakes.
#[derive(Debug)]
pub(crate) struct Pace(Mutex<Rng>);

impl Pace {
    pub(crate) fn new(random: Rng) -> Self {
        Self(Mutex::new(random))
    }

    /// Whether this is one of so many, on the average.
    pub(super) fn one_in(&self, many: u32) -> bool {
        self.random().u32(0..many) == 0
    }

    fn random(&self) -> MutexGuard<'_, Rng> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) async fn pause(&self) {
        let pause = draw(&mut self.random());
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
