//! What a load asks its call for. The load is compiled once; what depends on the types of the function, and may be neither `Send` nor
//! `'static`, stays with the call, which is looked at whenever the load is polled and comes to a stop.

use std::{
    future::poll_fn,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use tracing::Span;

use super::{
    answer::Fallback,
    fill::{LoadResult, Stored},
    load::{Joined, LoadEnd, Loader, Start},
    lookup::Lookup,
};
use crate::{
    entry::{Envelope, Ticket},
    loads::{Landing, Load, surroundings_inside},
    sync::Mutex,
    task::Surroundings,
};

/// A call, as its load sees it.
pub(super) trait LoadingCall {
    /// Polls the body. Returns whether it has returned.
    fn poll_body(&mut self, cx: &mut Context<'_>) -> bool;

    /// What the call returns, as far as it is known.
    fn values(&mut self) -> &mut dyn CallValues;
}

/// What a call returns, and what is made of that.
pub(super) trait CallValues {
    /// What the body has returned, as it is stored and given to others.
    fn judge(&mut self, lookup: &Lookup, waited_for: bool, may_fill: bool) -> Judgement;

    /// Keeps in the process what was stored.
    fn keep(&mut self, lookup: &Lookup, stored: Stored);

    /// The call returns what another one has loaded. Returns whether it does.
    fn share(&mut self, lookup: &Lookup, landed: Landing) -> bool;

    /// The call returns what an entry stands for. Returns what those are told who wait for it; `None` if it cannot be decoded.
    fn share_entry(&mut self, lookup: &Lookup, envelope: &Envelope) -> Option<Landing>;
}

/// What was found of what a body has returned.
pub(super) struct Judgement {
    pub(super) result: LoadResult,
    /// Whether it is an error that is not stored.
    pub(super) has_failed: bool,
    /// Whether it is an error, stored or not.
    pub(super) is_error: bool,
}

type Question = Box<dyn FnOnce(&mut dyn CallValues, &Lookup) + Send>;

enum Request {
    Body(BodyRun),
    Values(Question),
}

/// One run of a body.
pub(super) struct BodyRun {
    /// The load that it is, with what its task carries then; `None` if nobody can wait for it.
    load: Option<(Waker, Surroundings)>,
    span: Span,
}

impl BodyRun {
    /// A run that nobody waits for but the call.
    pub(super) fn alone(span: &Span) -> Self {
        Self {
            load: None,
            span: span.clone(),
        }
    }

    /// The run of a load.
    pub(super) fn inside(load: &Arc<Load>, span: &Span) -> Self {
        Self {
            load: Some((Arc::clone(load).into(), surroundings_inside(load))),
            span: span.clone(),
        }
    }

    fn poll(&self, call: &mut dyn LoadingCall, cx: &mut Context<'_>) -> bool {
        let _entered = self.span.enter();
        match &self.load {
            Some((waker, surroundings)) => surroundings.enter(|| call.poll_body(&mut Context::from_waker(waker))),
            None => call.poll_body(cx),
        }
    }
}

/// What a load waits for its call to do.
#[derive(Default)]
pub(super) struct Requests(Mutex<Option<Request>>);

impl Requests {
    /// Has the body run, until it has returned.
    pub(super) async fn body(&self, run: BodyRun) {
        self.request(Request::Body(run)).await;
    }

    /// Asks for something of the call's values.
    pub(super) async fn ask<A: Send + 'static>(
        &self,
        question: impl FnOnce(&mut dyn CallValues, &Lookup) -> A + Send + 'static,
    ) -> A {
        let answer = Arc::new(Mutex::new(None));
        let answering = Arc::clone(&answer);
        let question = move |values: &mut dyn CallValues, lookup: &Lookup| {
            *answering.lock() = Some(question(values, lookup));
        };
        self.request(Request::Values(Box::new(question))).await;
        let answered = answer.lock().take();
        answered.expect("a request ends when it is answered")
    }

    /// Whoever polls the load answers at once, so nobody is to be woken.
    async fn request(&self, request: Request) {
        *self.0.lock() = Some(request);
        poll_fn(|_| match *self.0.lock() {
            Some(_) => Poll::Pending,
            None => Poll::Ready(()),
        })
        .await;
    }

    fn take(&self) -> Option<Request> {
        self.0.lock().take()
    }

    fn put_back(&self, request: Request) {
        *self.0.lock() = Some(request);
    }
}

/// A load under way, which whoever has its call polls.
pub(super) struct Driver {
    loader: Arc<Loader>,
    load: Pin<Box<dyn Future<Output = LoadEnd> + Send>>,
}

impl Driver {
    /// Begins on this ticket. The hard timeout of the function counts if there `is_bounded`: if it says what is returned after it.
    pub(super) fn new(
        lookup: Box<Lookup>,
        ticket: Option<Ticket>,
        joined: Option<Box<Joined>>,
        fallback: Fallback,
        is_bounded: bool,
    ) -> Self {
        let hard_timeout = lookup.policies().hard_timeout().filter(|_| is_bounded);
        let loader = Arc::new(Loader {
            lookup,
            requests: Requests::default(),
        });
        let load = Arc::clone(&loader).load(Start {
            ticket,
            fallback,
            hard_timeout,
            joined,
        });
        Self {
            loader,
            load: Box::pin(load),
        }
    }

    pub(super) fn lookup(&self) -> &Lookup {
        &self.loader.lookup
    }

    pub(super) fn poll(&mut self, call: &mut dyn LoadingCall, cx: &mut Context<'_>) -> Poll<LoadEnd> {
        let Loader { lookup, requests } = &*self.loader;
        loop {
            if let Poll::Ready(end) = self.load.as_mut().poll(cx) {
                return Poll::Ready(end);
            }
            match requests.take() {
                None => return Poll::Pending,
                Some(Request::Values(question)) => question(call.values(), lookup),
                Some(Request::Body(run)) => {
                    if !run.poll(call, cx) {
                        requests.put_back(Request::Body(run));
                        return Poll::Pending;
                    }
                }
            }
        }
    }
}
