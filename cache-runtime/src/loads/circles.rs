//! Who still goes on, of all loads that wait for one another.
//!
//! A load can end unless it has [stalled](super::load) or waits for something that cannot. A wait can end if *one* of the loads
//! can that would end it: a flight may be led by several, and a turn come from any that holds a place. So a circle closes in two
//! ways. A load begins to wait: that is refused, and it runs its body instead. Or the last one that would have ended a wait goes
//! away, or stalls, while the others wait already: that is seen by those who [look](super::flight::Flight::look).
//!
//! "Can" is the least fixed point: who is only held up by one another goes on with none of them.

use super::load::{Awaited, Load};
use crate::sync::{Arc, Mutex};

/// Who waits for whom, of all loads that are inside of others or wait for their turn.
#[derive(Debug, Default)]
pub(crate) struct Waits {
    /// Held while a wait is looked at and begun, so that of two waits that close a circle the second is seen.
    beginning: Mutex<()>,
}

impl Waits {
    /// Notes that a load waits. `None` if it would wait for itself: for what cannot end before one of the loads that it is
    /// inside of has ended.
    pub(crate) fn begin(&self, load: &Arc<Load>, awaited: Arc<dyn Awaited>) -> Option<Wait> {
        let _beginning = self.beginning.lock();
        if depends_on(&awaited.loads(), load) {
            return None;
        }
        for load in load.chain() {
            load.waits().push(Arc::clone(&awaited));
        }
        Some(Wait {
            load: Arc::clone(load),
            awaited,
        })
    }

    /// Whether one of these loads can end only after `load`, or after what it is inside of, and none can before.
    pub(crate) fn depend_on(&self, loads: &[Arc<Load>], load: &Load) -> bool {
        let _beginning = self.beginning.lock();
        depends_on(loads, load)
    }

    /// Whether none of these loads can end by itself.
    pub(crate) fn are_held_up(&self, loads: &[Arc<Load>]) -> bool {
        // What most of them are, without the lock that all share.
        if loads.iter().any(|load| !load.has_stalled() && load.waits().is_empty()) {
            return false;
        }
        let _beginning = self.beginning.lock();
        !any_goes_on(loads, None)
    }
}

/// A wait that is known to [`Waits`], until it is dropped.
#[derive(Debug)]
pub(crate) struct Wait {
    load: Arc<Load>,
    awaited: Arc<dyn Awaited>,
}

impl Drop for Wait {
    fn drop(&mut self) {
        for load in self.load.chain() {
            let mut waits = load.waits();
            if let Some(at) = waits.iter().position(|wait| Arc::ptr_eq(wait, &self.awaited)) {
                waits.swap_remove(at);
            }
        }
    }
}

/// Whether one of these loads goes on if `load` does, and none without.
fn depends_on(loads: &[Arc<Load>], load: &Load) -> bool {
    let own = |goes_on| Some(Own { load, goes_on });
    !loads.is_empty() && !any_goes_on(loads, own(false)) && any_goes_on(loads, own(true))
}

/// A load whose fate is supposed, with that of all that it is inside of.
#[derive(Debug, Clone, Copy)]
struct Own<'a> {
    load: &'a Load,
    goes_on: bool,
}

fn any_goes_on(loads: &[Arc<Load>], own: Option<Own<'_>>) -> bool {
    let mut walk = Walk { own, met: Vec::new() };
    let asked = walk.meet_all(loads);
    walk.settle();
    asked.iter().any(|at| walk.met[*at].goes_on())
}

/// A walk over all that some loads wait for.
struct Walk<'a> {
    own: Option<Own<'a>>,
    met: Vec<Met>,
}

struct Met {
    load: Arc<Load>,
    fate: Fate,
}

enum Fate {
    GoesOn,
    Stuck,
    /// As long as one of these waits has nobody to end it. Each is the places of those who can.
    Waits(Vec<Vec<usize>>),
}

impl Met {
    fn goes_on(&self) -> bool {
        matches!(self.fate, Fate::GoesOn)
    }
}

impl Walk<'_> {
    fn meet_all(&mut self, loads: &[Arc<Load>]) -> Vec<usize> {
        loads.iter().map(|load| self.meet(load)).collect()
    }

    /// The place of a load, and of all that it waits for.
    fn meet(&mut self, load: &Arc<Load>) -> usize {
        if let Some(at) = self.met.iter().position(|met| Arc::ptr_eq(&met.load, load)) {
            return at;
        }
        let at = self.met.len();
        let own = self
            .own
            .filter(|own| own.load.chain().any(|own| std::ptr::eq(own, &raw const **load)));
        self.met.push(Met {
            load: Arc::clone(load),
            fate: match own {
                Some(Own { goes_on: true, .. }) => Fate::GoesOn,
                Some(_) => Fate::Stuck,
                None if load.has_stalled() => Fate::Stuck,
                None => Fate::Waits(Vec::new()),
            },
        });
        if let Fate::Waits(_) = self.met[at].fate {
            // Copied, so that no two locks are held at once.
            let waits = load.waits().clone();
            let waits = waits.iter().map(|awaited| awaited.loads());
            // One that is over, or about to be, holds nobody up.
            let waits: Vec<_> = waits.filter(|loads| !loads.is_empty()).collect();
            self.met[at].fate = Fate::Waits(waits.iter().map(|loads| self.meet_all(loads)).collect());
        }
        at
    }

    /// Lets everybody go on who can.
    fn settle(&mut self) {
        loop {
            let freed = self.met.iter().position(|met| match &met.fate {
                Fate::Waits(waits) => waits
                    .iter()
                    .all(|any_of| any_of.iter().any(|at| self.met[*at].goes_on())),
                Fate::GoesOn | Fate::Stuck => false,
            });
            match freed {
                Some(at) => self.met[at].fate = Fate::GoesOn,
                None => return,
            }
        }
    }
}
