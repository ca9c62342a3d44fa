//! The loop that sends: one request at a time, repeated until it is taken or refused for good, at each address in turn.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use tokio::time::{interval_at, sleep, Interval, MissedTickBehavior};

use super::connection::{Connection, Refusal, Signal, Taken};
use super::{OtlpOptions, Shared, TLS_SECTION};
use crate::transport::{maybe_hint, Backoff};

/// A collector may ask for a pause; a longer one than this is not kept.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

pub struct Sender {
    shared: Arc<Shared>,
    options: Arc<OtlpOptions>,
    backoff: Backoff,
    turn: usize,
    connection: Option<(Connection, Instant)>,
    start_ns: u64,
}

impl Sender {
    pub fn new(shared: Arc<Shared>, options: OtlpOptions) -> Sender {
        Sender {
            shared,
            options: Arc::new(options),
            backoff: Backoff::default(),
            turn: 0,
            connection: None,
            start_ns: now_ns(),
        }
    }

    /// Runs until it is dropped.
    pub async fn run(mut self) {
        let shared = Arc::clone(&self.shared);
        let period = self.options.metrics_period();
        let mut ticks = interval_at(tokio::time::Instant::now() + period, period);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                chunk = shared.queue.next(), if self.options.traces => {
                    let body = Bytes::from(chunk.request());
                    let records = chunk.records;
                    match self.send(&body).await {
                        Ok(taken) => {
                            let rejected = taken.rejected.min(records);
                            shared.queue.settle(&chunk, |account| {
                                account.acked += records - rejected;
                                account.rejected += rejected;
                            });
                        }
                        Err(()) => shared.queue.settle(&chunk, |account| account.failed += records),
                    }
                }
                () = due(&mut ticks, &shared), if self.options.metrics => self.send_metrics().await,
            }
        }
    }

    /// Sends spans until they are taken; an error: they never will be.
    async fn send(&mut self, body: &Bytes) -> Result<Taken, ()> {
        loop {
            match self.attempt(Signal::Traces, body).await {
                Ok(taken) => return Ok(taken),
                Err(Refusal::Never { .. }) => return Err(()),
                Err(Refusal::Later { after, .. }) => {
                    self.shared.link(|link| link.retries += 1);
                    sleep(after.unwrap_or_default().min(LONGEST_PAUSE).max(self.backoff.pause())).await;
                }
            }
        }
    }

    /// Sends the metrics as they are; what is not taken is in the next ones.
    async fn send_metrics(&mut self) {
        let now = now_ns();
        let metrics = {
            let mut metrics = self.shared.metrics();
            metrics.forget();
            metrics.clone()
        };
        if let Some(request) = metrics.maybe_request(self.start_ns, now) {
            let is_taken = self.attempt(Signal::Metrics, &Bytes::from(request)).await.is_ok();
            self.shared.link(|link| *if is_taken { &mut link.metrics_sent } else { &mut link.metrics_failed } += 1);
        }
        self.shared.metrics_told();
    }

    async fn attempt(&mut self, signal: Signal, body: &Bytes) -> Result<Taken, Refusal> {
        let Some(address) = self.options.endpoints.get(self.turn).cloned() else {
            return Err(Refusal::Never { reason: "no endpoint".to_owned() });
        };
        let options = Arc::clone(&self.options);
        let result = match self.connected(&address).await {
            Ok(connection) => connection.export(signal, body, &options).await,
            Err(refusal) => Err(refusal),
        };
        match &result {
            Ok(taken) => {
                self.backoff.reset();
                self.shared.link(|link| {
                    link.requests += 1;
                    link.bytes += body.len() as u64;
                    link.away_since = None;
                    link.backend = Some(address.clone());
                    if !taken.message.is_empty() {
                        link.last_error = Some(format!("{address}: {}", taken.message));
                    }
                });
            }
            Err(refusal) => self.failed(&address, refusal),
        }
        result
    }

    fn failed(&mut self, address: &str, refusal: &Refusal) {
        let reason = refusal.reason();
        let hint = maybe_hint(TLS_SECTION, reason).map(|key| format!(" (see {key})")).unwrap_or_default();
        let is_final = matches!(refusal, Refusal::Never { .. });
        self.shared.link(|link| {
            link.last_error = Some(format!("{address}: {reason}{hint}"));
            if !is_final {
                link.backend = None;
                link.away_since = link.away_since.or_else(|| Some(Instant::now()));
            }
        });
        if is_final {
            return;
        }
        self.connection = None;
        self.turn += 1;
        // A whole round through the addresses belongs together.
        if self.turn >= self.options.endpoints.len() {
            self.turn = 0;
            self.backoff.grow();
        }
    }

    /// The connection at hand, or a new one where there is none or it is old: what is behind a load balancer changes.
    async fn connected(&mut self, address: &str) -> Result<&mut Connection, Refusal> {
        let is_old = |since: &Instant| since.elapsed() >= self.options.connection_age();
        let current = self.connection.take().filter(|(_, since)| !is_old(since));
        let (connection, since) = match current {
            Some(current) => current,
            None => {
                let connection = Connection::open(address, &self.options).await?;
                self.shared.link(|link| link.connects += 1);
                (connection, Instant::now())
            }
        };
        Ok(&mut self.connection.insert((connection, since)).0)
    }
}

/// Metrics are due: it is time, or the end.
async fn due(ticks: &mut Interval, shared: &Shared) {
    tokio::select! {
        _ = ticks.tick() => {}
        () = shared.metrics_wanted.notified() => {}
    }
}

fn now_ns() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}
