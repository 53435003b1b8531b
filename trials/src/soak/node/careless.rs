use std::{collections::VecDeque, time::Duration};

use fastrand::Rng;

use super::{
    documents::Subject,
    site::{Call, Site},
};

/// How long a call is polled for before it is left alone, in microseconds, at most.
const POLLED: u64 = 6_000;
/// How many calls one keeps that are not polled.
const KEPT: usize = 3;

/// A caller who does with futures what callers do: keeps them and looks elsewhere, comes back to them or not, asks again for what
/// it is loading already, and does several things at once that wait for one another.
#[derive(Default)]
pub(super) struct Careless<'a> {
    kept: VecDeque<Call<'a>>,
}

impl<'a> Careless<'a> {
    /// Does one of these things.
    pub(super) async fn call(&mut self, site: &'a Site, random: &mut Rng) {
        match random.u8(0..8) {
            0..3 => {
                let call = if random.bool() {
                    site.draw(random)
                } else {
                    site.read_of(Subject::draw_crossed(random), random)
                };
                self.leave_alone(site, call, random).await;
            }
            3..5 => self.come_back(site, random).await,
            5 => drop(self.kept.pop_front()),
            6 => {
                let again = self.kept.back().and_then(|kept| site.again(kept));
                // As after a timeout over `&mut call`.
                if let Some(again) = again {
                    site.poll_to_its_end(again).await;
                }
            }
            _ => cross(site, random).await,
        }
    }

    /// Polls a call for a while, and looks elsewhere.
    async fn leave_alone(&mut self, site: &'a Site, mut call: Call<'a>, random: &mut Rng) {
        if site
            .poll_for(&mut call, Duration::from_micros(random.u64(0..POLLED)))
            .await
        {
            return;
        }
        site.note_left_alone();
        self.kept.push_back(call);
        if self.kept.len() > KEPT {
            self.kept.pop_front();
        }
    }

    /// Polls one that it has left alone: to its end, or for a while again.
    async fn come_back(&mut self, site: &'a Site, random: &mut Rng) {
        let Some(call) = self.kept.pop_front() else {
            return;
        };
        if random.bool() {
            site.poll_to_its_end(call).await;
        } else {
            self.leave_alone(site, call, random).await;
        }
    }
}

/// Two calls at once, in one task, whose loads call one another.
async fn cross(site: &Site, random: &mut Rng) {
    let (one, other) = (Subject::draw_crossed(random), Subject::draw_crossed(random));
    let (one, other) = (site.read_of(one, random), site.read_of(other, random));
    tokio::join!(site.poll_to_its_end(one), site.poll_to_its_end(other));
}
