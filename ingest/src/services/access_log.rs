//! `EBPFAccessLogService`: streams of messages become rows.

use std::sync::atomic::Ordering;
use std::sync::Arc;

use rover_reporters::proto::v3;
use rover_reporters::proto::v3::ebpf_access_log_service_server::EbpfAccessLogService;
use rover_reporters::row::{Row, ACTIVITY_KIND};
use tokio::sync::watch;
use tonic::{Request, Response, Status, Streaming};

use crate::foreign::{StreamState, Told};
use crate::native;
use crate::rows::Rows;
use crate::stats::Counters;

#[derive(Clone, Debug)]
pub struct AccessLog {
    pub rows: Arc<Rows>,
    pub counters: Arc<Counters>,
    /// Turns true when the server stops.
    pub stopping: watch::Receiver<bool>,
    /// Whether a stream is answered only when its rows are stored.
    pub holds_answers: bool,
}

impl AccessLog {
    /// The rows of a message: its exchange, and what its connection did besides; counts what it is.
    fn rows(&self, state: &mut StreamState, mut message: v3::EbpfAccessLogMessage) -> (Option<Row>, Vec<Row>) {
        Counters::add(&self.counters.messages);
        let record = std::mem::take(&mut message.rover_record);
        let counter = if record.is_empty() {
            match state.read(message) {
                Told::Exchange(row, activities) => return (Some(*row), activities),
                Told::Logs(logs, activities) => {
                    self.counters.kernel_logs.fetch_add(logs as u64, Ordering::Relaxed);
                    Counters::add(&self.counters.kernel_only);
                    return (None, activities);
                }
                Told::Nothing => &self.counters.without_logs,
                Told::NoConnection => &self.counters.unattributed,
            }
        } else {
            match native::row(record) {
                Some(row) if row.kind == ACTIVITY_KIND => {
                    Counters::add(&self.counters.kernel_only);
                    return (None, vec![row]);
                }
                Some(row) => return (Some(row), Vec::new()),
                None => &self.counters.invalid_records,
            }
        };
        Counters::add(counter);
        (None, Vec::new())
    }

    async fn read(&self, messages: &mut Streaming<v3::EbpfAccessLogMessage>) -> Result<(), Status> {
        let mut state = StreamState::default();
        while let Some(message) = messages.message().await? {
            let (exchange, activities) = self.rows(&mut state, message);
            let has_exchange = exchange.is_some();
            for row in exchange.into_iter().chain(activities) {
                // Waiting here leaves the stream unread: that is the back-pressure.
                if !self.rows.put(row).await {
                    return Err(stopped());
                }
            }
            if has_exchange {
                Counters::add(&self.counters.rows);
            }
        }
        Ok(())
    }
}

fn stopped() -> Status {
    Status::unavailable("backend stops")
}

/// Counts a stream as open for as long as it lives, whichever way it ends.
struct Open<'a>(&'a Counters);

impl<'a> Open<'a> {
    fn new(counters: &'a Counters) -> Open<'a> {
        Counters::add(&counters.streams);
        Counters::add(&counters.open_streams);
        Open(counters)
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.open_streams.fetch_sub(1, Ordering::Relaxed);
    }
}

#[tonic::async_trait]
impl EbpfAccessLogService for AccessLog {
    async fn collect(
        &self,
        request: Request<Streaming<v3::EbpfAccessLogMessage>>,
    ) -> Result<Response<v3::EbpfAccessLogDownstream>, Status> {
        let _open = Open::new(&self.counters);
        let mut messages = request.into_inner();
        let mut stopping = self.stopping.clone();
        let complete = async {
            let read = self.read(&mut messages).await;
            if read.is_ok() && self.holds_answers {
                self.rows.wait_stored().await;
            }
            read
        };
        let result = tokio::select! {
            result = complete => result,
            _ = stopping.wait_for(|is_stopping| *is_stopping) => Err(stopped()),
        };
        if result.is_err() {
            Counters::add(&self.counters.broken_streams);
        }
        result.map(|()| Response::new(v3::EbpfAccessLogDownstream {}))
    }
}
