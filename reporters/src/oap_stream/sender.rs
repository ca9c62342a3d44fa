//! The loop that keeps a stream open: connect, feed one stream after the other, settle what was answered.
//!
//! Streams are closed every few seconds, because only a closed stream is acknowledged; the next one is opened while the
//! answer is still on its way. A batch whose stream failed is sent once more and then given up.

use std::sync::atomic::Ordering;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{interval, sleep};
use tonic::Status;

use super::backoff::Backoff;
use super::batch::Backend;
use super::feed::{Feed, StreamState};
use super::link::{is_denied, Link};
use super::stats::Drop;
use super::{OapOptions, Shared};

/// Streams that a batch may be on.
const ATTEMPTS: u8 = 2;

/// How often a silent stream is looked at.
const WATCH: Duration = Duration::from_millis(250);

pub struct Sender {
    shared: Arc<Shared>,
    options: OapOptions,
    agent_id: String,
    backoff: Backoff,
    /// Which address is next.
    turn: usize,
    link: Option<Link>,
    /// Counts connections, to tell streams of this one from those of one before.
    connection: u64,
    calls: JoinSet<Answered>,
}

/// A call that is over.
struct Answered {
    state: Arc<StreamState>,
    backend: Backend,
    /// The connection it was made on.
    connection: u64,
    result: Result<(), Status>,
}

impl Sender {
    pub fn new(shared: Arc<Shared>, options: OapOptions, agent_id: String) -> Sender {
        Sender {
            shared,
            options,
            agent_id,
            backoff: Backoff::new(),
            turn: 0,
            link: None,
            connection: 0,
            calls: JoinSet::new(),
        }
    }

    /// Runs until it is dropped.
    pub async fn run(mut self) {
        loop {
            self.wait_for_batches().await;
            let link = self.connected().await;
            self.stream(link).await;
        }
    }

    async fn wait_for_batches(&mut self) {
        let shared = Arc::clone(&self.shared);
        loop {
            tokio::select! {
                () = shared.queue.ready() => return,
                Some(answered) = self.calls.join_next() => self.settle(answered.ok()),
            }
        }
    }

    async fn connected(&mut self) -> Link {
        loop {
            if let Some(link) = &self.link {
                return link.clone();
            }
            sleep(self.backoff.pause()).await;
            let Some(address) = self.options.addresses.get(self.turn) else {
                // Refused when the reporter was made; nothing to do but wait for the end.
                std::future::pending::<()>().await;
                continue;
            };
            match Link::open(address, self.options.token.as_deref(), &self.agent_id).await {
                Ok(link) => {
                    self.shared.set_backend(link.backend);
                    self.shared.counters.set_backend(Some(address.clone()));
                    self.shared.counters.connects.fetch_add(1, Ordering::Relaxed);
                    self.link = Some(link);
                }
                Err(status) => {
                    let error = format!("{address}: {}", describe(&status));
                    self.disconnect(error);
                }
            }
        }
    }

    /// Opens one stream and returns when it is closed on our side, or over.
    async fn stream(&mut self, link: Link) {
        let state = Arc::new(StreamState::new());
        let feed = Feed::new(Arc::clone(&self.shared), Arc::clone(&state), link.backend, &self.options);
        self.shared.counters.streams.fetch_add(1, Ordering::Relaxed);
        let watch = stalled(Arc::clone(&state), Arc::clone(&self.shared), self.options.answer_timeout());
        let (for_call, connection, backend) = (Arc::clone(&state), self.connection, link.backend);
        self.calls.spawn(async move {
            let result = tokio::select! {
                result = link.collect(feed) => result,
                status = watch => Err(status),
            };
            Answered { state: for_call, backend, connection, result }
        });
        loop {
            tokio::select! {
                () = state.wait_ended() => return,
                Some(answered) = self.calls.join_next() => {
                    let answered = answered.ok();
                    let is_this = answered.as_ref().is_none_or(|answered| Arc::ptr_eq(&answered.state, &state));
                    self.settle(answered);
                    if is_this {
                        return;
                    }
                    // An older stream showed that this connection is no good.
                    if self.link.is_none() {
                        state.end();
                    }
                }
            }
        }
    }

    fn settle(&mut self, answered: Option<Answered>) {
        // A call that panicked would be missing here; its batches stay held and end as unsent.
        let Some(Answered { state, backend, connection, result }) = answered else { return };
        // An answer before our end of the stream tells nothing about what came after it.
        let is_complete = state.has_ended();
        let batches = state.finish();
        let status = match result {
            Ok(()) if is_complete => {
                for batch in batches {
                    let withheld = batch.withheld(backend);
                    self.shared.counters.acked.fetch_add(batch.records() - withheld, Ordering::Relaxed);
                    self.shared.counters.withheld.fetch_add(withheld, Ordering::Relaxed);
                    self.shared.queue.release(&batch);
                }
                self.backoff.reset();
                return;
            }
            Ok(()) => Status::aborted("stream was answered before its end"),
            Err(status) => status,
        };
        let cause = if is_denied(&status) { Drop::Denied } else { Drop::Failed };
        let mut again = Vec::with_capacity(batches.len());
        for batch in batches {
            if batch.count_failure() < ATTEMPTS {
                again.push(batch);
            } else {
                self.shared.counters.drop_records(cause, batch.records());
                self.shared.queue.release(&batch);
            }
        }
        self.shared.queue.push_front(again);
        // Streams fail together with their connection; only the first to tell ends it, a newer one is not concerned.
        if connection == self.connection {
            self.disconnect(describe(&status));
        }
    }

    fn disconnect(&mut self, error: String) {
        self.shared.counters.set_backend(None);
        self.shared.counters.set_error(error);
        self.link = None;
        self.connection += 1;
        self.turn += 1;
        // A whole round through the addresses belongs together.
        if self.turn >= self.options.addresses.len() {
            self.turn = 0;
            self.backoff.grow();
        }
    }
}

fn describe(status: &Status) -> String {
    format!("{:?}: {}", status.code(), status.message())
}

/// Returns when the other end has owed something, an answer or reading what waits, for too long.
async fn stalled(state: Arc<StreamState>, shared: Arc<Shared>, most: Duration) -> Status {
    let mut ticks = interval(WATCH.min(most));
    loop {
        ticks.tick().await;
        if state.owes_since(!shared.queue.is_empty()).is_some_and(|since| since.elapsed() > most) {
            return Status::deadline_exceeded(format!("no sign of the backend for {} s", most.as_secs_f32()));
        }
    }
}
