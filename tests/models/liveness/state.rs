//! What there is to know at a moment, and the steps.

use super::{Liveness, Variant};

/// What flights are of.
pub(super) type Place = usize;

/// The number of a call.
pub(super) type Caller = usize;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Action {
    /// A caller begins, and polls its call.
    Begin(Caller),
    /// The database answers the load of a call, which is woken.
    Answer(Caller),
    /// A call that was woken is polled.
    Poll(Caller),
    /// The watch over a flight looks at those who lead it.
    Look(Place),
    LeaveAlone(Caller),
    ComeBack(Caller),
    Drop(Caller),
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct State {
    calls: Vec<Call>,
    /// By place.
    flights: Vec<Option<Flight>>,
    leavings_left: u8,
    returns_left: u8,
    drops_left: u8,
    pub(super) has_taken_over: bool,
    pub(super) has_let_go: bool,
    pub(super) has_closed_late: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Call {
    /// How many places of its way it has come to. It is in the body of the last one, or waits for it.
    come: usize,
    stage: Stage,
    /// The last place.
    at: Place,
    /// Whether somebody polls it when it is woken.
    attended: bool,
    /// Whether it was seen to have stalled.
    stalled: bool,
    /// Whether it leads because it has taken over.
    took_over: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Stage {
    NotBegun,
    /// Its database has not answered.
    Loads,
    /// It waits for the flight of its last place.
    Waits,
    /// It was woken: its database has answered.
    Answered,
    /// It was woken: the flight has landed.
    Given,
    /// It was woken: somebody is wanted to load.
    Wanted,
    Over,
}

impl Stage {
    fn is_woken(self) -> bool {
        matches!(self, Self::Answered | Self::Given | Self::Wanted)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Flight {
    /// Sorted.
    leaders: Vec<Caller>,
    vacancy: Option<Vacancy>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Vacancy {
    Stalled,
    Circle,
}

impl State {
    pub(super) fn new(model: &Liveness) -> Self {
        let call = Call {
            come: 0,
            stage: Stage::NotBegun,
            at: 0,
            attended: true,
            stalled: false,
            took_over: false,
        };
        let places = model.ways.iter().flatten().max().map_or(0, |last| last + 1);
        Self {
            calls: vec![call; model.ways.len()],
            flights: vec![None; places],
            leavings_left: model.leavings,
            returns_left: model.returns,
            drops_left: model.drops,
            has_taken_over: false,
            has_let_go: false,
            has_closed_late: false,
        }
    }

    /// Whether somebody waits, and would be polled.
    pub(super) fn somebody_waits(&self) -> bool {
        let waits = |call: &Call| call.attended && call.stage == Stage::Waits;
        self.calls.iter().any(waits)
    }

    pub(super) fn all_have_ended(&self) -> bool {
        self.calls.iter().all(|call| call.stage == Stage::Over)
    }

    /// What happens sooner or later, whatever the owners of calls do.
    pub(super) fn progress(&self, model: &Liveness) -> Vec<Action> {
        let mut actions = Vec::new();
        for (caller, call) in self.calls.iter().enumerate() {
            match call.stage {
                Stage::NotBegun => actions.push(Action::Begin(caller)),
                Stage::Loads => actions.push(Action::Answer(caller)),
                stage if stage.is_woken() && call.attended => actions.push(Action::Poll(caller)),
                _ => {}
            }
        }
        if model.variant != Variant::NobodyLooks {
            actions.extend((0..self.flights.len()).map(Action::Look).filter(|look| {
                let mut looked = self.clone();
                looked.step(model, *look);
                looked != *self
            }));
        }
        actions
    }

    /// What owners may do or not.
    pub(super) fn carelessness(&self) -> Vec<Action> {
        let mut actions = Vec::new();
        for (caller, call) in self.calls.iter().enumerate() {
            if matches!(call.stage, Stage::NotBegun | Stage::Over) {
                continue;
            }
            if call.attended && self.leavings_left > 0 {
                actions.push(Action::LeaveAlone(caller));
            }
            if !call.attended && self.returns_left > 0 {
                actions.push(Action::ComeBack(caller));
            }
            if self.drops_left > 0 {
                actions.push(Action::Drop(caller));
            }
        }
        actions
    }

    pub(super) fn step(&mut self, model: &Liveness, action: Action) {
        match action {
            Action::Begin(caller) => self.visit_next(model, caller),
            Action::Answer(caller) => self.calls[caller].stage = Stage::Answered,
            Action::Poll(caller) => self.poll(model, caller),
            Action::Look(place) => self.look(model, place),
            Action::LeaveAlone(caller) => {
                self.leavings_left -= 1;
                self.calls[caller].attended = false;
            }
            Action::ComeBack(caller) => {
                self.returns_left -= 1;
                let call = &mut self.calls[caller];
                (call.attended, call.stalled) = (true, false);
            }
            Action::Drop(caller) => {
                self.drops_left -= 1;
                self.calls[caller].stage = Stage::Over;
                for place in 0..self.flights.len() {
                    self.leave(place, caller);
                }
            }
        }
    }

    fn poll(&mut self, model: &Liveness, caller: Caller) {
        match self.calls[caller].stage {
            Stage::Answered if self.calls[caller].come < model.ways[caller].len() => self.visit_next(model, caller),
            // The innermost body has ended, and with it those around it.
            Stage::Answered | Stage::Given => self.end(caller),
            Stage::Wanted => {
                self.calls[caller].come -= 1;
                self.visit_next(model, caller);
            }
            Stage::NotBegun | Stage::Loads | Stage::Waits | Stage::Over => unreachable!("it was not woken"),
        }
    }

    fn visit_next(&mut self, model: &Liveness, caller: Caller) {
        let place = model.ways[caller][self.calls[caller].come];
        self.calls[caller].come += 1;
        self.calls[caller].at = place;
        // What it waited for up to now it waits for no longer.
        self.calls[caller].stage = Stage::Loads;
        let Some(flight) = self.flights[place].clone() else {
            let leaders = vec![caller];
            self.flights[place] = Some(Flight { leaders, vacancy: None });
            return;
        };
        let sees_circles = model.variant != Variant::AnyWait;
        let is_own = flight.leaders.contains(&caller);
        match flight.vacancy {
            _ if sees_circles && is_own && flight.vacancy.is_some() => self.has_let_go = true,
            Some(Vacancy::Circle) if self.depends(model, &flight.leaders, caller) => {
                self.has_let_go = true;
                self.flight(place).vacancy = None;
            }
            Some(_) => {
                self.has_taken_over = true;
                self.calls[caller].took_over = true;
                let flight = self.flight(place);
                flight.vacancy = None;
                flight.leaders.push(caller);
                flight.leaders.sort_unstable();
            }
            None if sees_circles && self.depends(model, &flight.leaders, caller) => self.has_let_go = true,
            None => self.calls[caller].stage = Stage::Waits,
        }
    }

    /// All that it leads has landed.
    fn end(&mut self, caller: Caller) {
        self.calls[caller].stage = Stage::Over;
        for place in 0..self.flights.len() {
            let leads = |flight: &Flight| flight.leaders.contains(&caller);
            if self.flights[place].as_ref().is_some_and(leads) {
                self.flights[place] = None;
                self.wake(place, Stage::Given);
            }
        }
    }

    fn leave(&mut self, place: Place, caller: Caller) {
        let Some(flight) = &mut self.flights[place] else {
            return;
        };
        flight.leaders.retain(|leader| *leader != caller);
        if flight.leaders.is_empty() {
            self.flights[place] = None;
            self.wake(place, Stage::Wanted);
        }
    }

    /// Wakes those who wait for the flight of a place.
    fn wake(&mut self, place: Place, stage: Stage) {
        for call in &mut self.calls {
            if call.stage == Stage::Waits && call.at == place {
                call.stage = stage;
            }
        }
    }

    fn look(&mut self, model: &Liveness, place: Place) {
        let waited_for = |call: &Call| call.stage == Stage::Waits && call.at == place;
        if !self.calls.iter().any(waited_for) {
            return;
        }
        let Some(Flight { leaders, vacancy: None }) = self.flights[place].clone() else {
            return;
        };
        for leader in &leaders {
            let call = &mut self.calls[*leader];
            let seen = model.variant != Variant::TakersAreNotSeen || !call.took_over;
            call.stalled |= seen && call.stage.is_woken() && !call.attended;
        }
        let vacancy = if leaders.iter().all(|leader| self.calls[*leader].stalled) {
            Vacancy::Stalled
        } else if !matches!(model.variant, Variant::AnyWait | Variant::LooksForStalledLoads)
            && !self.any_goes_on(model, &leaders, None)
        {
            self.has_closed_late = true;
            Vacancy::Circle
        } else {
            return;
        };
        self.flight(place).vacancy = Some(vacancy);
        self.wake(place, Stage::Wanted);
    }

    /// Whether one of these goes on if `caller` does, and none without.
    fn depends(&self, model: &Liveness, leaders: &[Caller], caller: Caller) -> bool {
        !self.any_goes_on(model, leaders, Some((caller, false)))
            && self.any_goes_on(model, leaders, Some((caller, true)))
    }

    fn any_goes_on(&self, model: &Liveness, leaders: &[Caller], own: Option<(Caller, bool)>) -> bool {
        let mut go_on = vec![false; self.calls.len()];
        loop {
            let can = |caller: Caller, go_on: &[bool]| {
                let call = &self.calls[caller];
                match own {
                    Some((own, goes_on)) if own == caller => return goes_on,
                    _ if call.stalled => return model.variant == Variant::StalledLoadsGoOn,
                    _ if call.stage != Stage::Waits => return true,
                    _ => {}
                }
                self.flights[call.at]
                    .as_ref()
                    .is_none_or(|flight| flight.vacancy.is_some() || flight.leaders.iter().any(|leader| go_on[*leader]))
            };
            let next: Vec<bool> = (0..self.calls.len()).map(|caller| can(caller, &go_on)).collect();
            if next == go_on {
                return leaders.iter().any(|leader| go_on[*leader]);
            }
            go_on = next;
        }
    }

    fn flight(&mut self, place: Place) -> &mut Flight {
        self.flights[place].as_mut().expect("there is one")
    }
}
