//! The loop that keeps a stream open: connect, feed one stream after the other, settle what was answered.
//!
//! Streams are closed every few seconds, because only a closed stream is acknowledged; the next one is opened while the
//! answer is still on its way. What was on a stream that failed is sent again, for as long as there is room for it: a
//! backend that is away refuses everything, and that is no reason to lose anything. Only what fails alone while others
//! pass ([`Suspects`]) is given up.

use std::sync::atomic::Ordering;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{interval, sleep};
use tonic::Status;

use super::batch::{Backend, Batch};
use super::feed::{Feed, StreamState};
use super::link::{is_denied, Link};
use super::queue::Outcome;
use super::suspects::{Failure, Suspects};
use super::{OapOptions, Shared, TLS_SECTION};
use crate::transport::{maybe_hint, with_causes, Backoff};

/// How often a silent stream is looked at.
const WATCH: Duration = Duration::from_millis(250);

pub struct Sender {
    shared: Arc<Shared>,
    options: Arc<OapOptions>,
    agent_id: Arc<str>,
    backoff: Backoff,
    /// Which address is next, or used.
    turn: usize,
    link: Option<Link>,
    /// Counts connections, to tell streams of this one from those of one before.
    connection: u64,
    calls: JoinSet<Answered>,
    suspects: Suspects,
    /// An attempt to reach an address before the one in use, and when the next one is due.
    return_trial: Option<JoinHandle<Option<(usize, Link)>>>,
    return_at: Instant,
    /// When the connection in use is old enough for another one.
    renew_at: Instant,
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
            options: Arc::new(options),
            agent_id: agent_id.into(),
            backoff: Backoff::default(),
            turn: 0,
            link: None,
            connection: 0,
            calls: JoinSet::new(),
            suspects: Suspects::default(),
            return_trial: None,
            return_at: Instant::now(),
            renew_at: Instant::now(),
        }
    }

    /// Runs until it is dropped.
    pub async fn run(mut self) {
        loop {
            // Before there is anything to send: who waits for records wants to know whether they will come.
            let link = self.connected().await;
            self.wait_for_batches().await;
            self.maybe_return().await;
            if self.link.is_some() {
                let link = self.link.clone().unwrap_or(link);
                self.stream(link).await;
            }
        }
    }

    /// Returns when there is something to send, or the connection was given up.
    async fn wait_for_batches(&mut self) {
        let shared = Arc::clone(&self.shared);
        while self.link.is_some() {
            let is_alone = self.suspects.is_careful() && !self.calls.is_empty();
            tokio::select! {
                () = shared.queue.ready(), if !is_alone => return,
                Some(answered) = self.calls.join_next() => self.settle(answered.ok()),
            }
        }
    }

    async fn connected(&mut self) -> Link {
        loop {
            if let Some(link) = &self.link {
                return link.clone();
            }
            self.shared.queue.set_away(true);
            sleep(self.backoff.pause()).await;
            let Some(address) = self.options.addresses.get(self.turn) else {
                // Refused when the reporter was made; nothing to do but wait for the end.
                std::future::pending::<()>().await;
                continue;
            };
            match Link::open(address, &self.options, &self.agent_id).await {
                Ok(link) => self.take(link, self.turn),
                Err(status) => {
                    let error = format!("{address}: {}", describe(&status));
                    self.disconnect(error);
                }
            }
        }
    }

    /// Uses this link from now on.
    fn take(&mut self, link: Link, turn: usize) {
        self.turn = turn;
        self.shared.set_backend(link.backend);
        self.shared.counters.set_backend(self.options.addresses.get(turn).cloned());
        self.shared.counters.connects.fetch_add(1, Ordering::Relaxed);
        self.return_at = Instant::now() + self.options.return_after();
        self.renew_at = Instant::now() + self.options.connection_age();
        self.link = Some(link);
        self.shared.queue.set_away(false);
    }

    /// Goes back to an address before the one in use when it answers again, so that nodes do not stay where they fled to; and
    /// to a new connection after its time, so that they spread over what is behind a load balancer.
    async fn maybe_return(&mut self) {
        if let Some(trial) = self.return_trial.take_if(|trial| trial.is_finished()) {
            self.return_at = Instant::now() + self.options.return_after();
            if let (Ok(Some((turn, link))), true) = (trial.await, self.link.is_some()) {
                // Streams of the one before are answered there.
                self.connection += 1;
                self.take(link, turn);
            }
        }
        let now = Instant::now();
        let is_old = now >= self.renew_at;
        let is_due = is_old || (self.turn > 0 && now >= self.return_at);
        if is_due && self.return_trial.is_none() {
            // What does not succeed is not tried again at once.
            self.renew_at = self.renew_at.max(now + self.options.return_after());
            let (options, agent_id) = (Arc::clone(&self.options), Arc::clone(&self.agent_id));
            let addresses = self.turn + usize::from(is_old);
            self.return_trial = Some(tokio::spawn(async move {
                for (turn, address) in options.addresses.iter().enumerate().take(addresses) {
                    if let Ok(link) = Link::open(address, &options, &agent_id).await {
                        return Some((turn, link));
                    }
                }
                None
            }));
        }
    }

    /// Opens one stream and returns when it is closed on our side, or over.
    async fn stream(&mut self, link: Link) {
        let state = Arc::new(StreamState::new());
        let feed = Feed::new(
            Arc::clone(&self.shared),
            Arc::clone(&state),
            link.backend,
            &self.options,
            self.suspects.is_careful(),
        );
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
                self.acknowledge(&batches, backend);
                return;
            }
            Ok(()) => Status::aborted("stream was answered before its end"),
            Err(status) => status,
        };
        let failure = Failure::of(&status);
        let mut again = self.suspects.failed(batches, failure);
        if again.is_empty() && !self.shared.queue.has_more() {
            // Nothing to compare with.
            again = self.suspects.acquit();
        }
        self.shared.queue.put_back(again);
        // Streams fail together with their connection; only the first to tell ends it, a newer one is not concerned.
        if connection == self.connection {
            let address = self.options.addresses.get(self.turn).map_or("", String::as_str);
            let error = format!("{address}: {}", describe(&status));
            self.disconnect(error);
        }
    }

    fn acknowledge(&mut self, batches: &[Arc<Batch>], backend: Backend) {
        for batch in batches {
            self.shared.queue.settle(batch, Outcome::Acknowledged(backend));
        }
        if !batches.is_empty() {
            self.backoff.reset();
            for batch in self.suspects.passed() {
                self.shared.queue.settle(&batch, Outcome::GivenUp);
            }
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

/// A status as a person reads it: code, what it says, what caused it, and the key of the configuration to look at.
fn describe(status: &Status) -> String {
    let mut text = format!("{:?}: {}", status.code(), status.message());
    if let Some(source) = std::error::Error::source(status) {
        let cause = with_causes(source);
        if !text.contains(&cause) {
            text.push_str(&format!(": {cause}"));
        }
    }
    let token = is_denied(status).then(|| "reporters.oap.token_file".to_owned());
    token.or_else(|| maybe_hint(TLS_SECTION, &text)).map(|key| format!("{text} (see {key})")).unwrap_or(text)
}

/// Returns when the other end has owed something, an answer or reading what waits, for too long.
async fn stalled(state: Arc<StreamState>, shared: Arc<Shared>, most: Duration) -> Status {
    let mut ticks = interval(WATCH.min(most));
    loop {
        ticks.tick().await;
        if state.owes_since(shared.queue.is_sendable()).is_some_and(|since| since.elapsed() > most) {
            return Status::deadline_exceeded(format!("no sign of the backend for {} s", most.as_secs_f32()));
        }
    }
}
