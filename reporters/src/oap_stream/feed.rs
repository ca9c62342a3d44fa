//! The messages of one stream, drawn from the queue while the stream is open.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{ready, Context, Poll};

use bytes::Bytes;
use futures_core::Stream;
use tokio::sync::Notify;
use tokio::time::{Instant, Sleep};

use super::batch::{Backend, Batch};
use super::node::node_message;
use super::queue::Next;
use super::{OapOptions, Shared};

/// What the sender knows of a stream that the transport drives.
#[derive(Debug)]
pub struct StreamState {
    inner: Mutex<Inner>,
    /// Signalled once, when the stream has said all it will say.
    ended: Notify,
}

#[derive(Debug)]
struct Inner {
    /// Batches given to the stream, to be acknowledged or sent again.
    taken: Vec<Arc<Batch>>,
    progress: Instant,
    is_idle: bool,
    has_ended: bool,
}

impl StreamState {
    pub fn new() -> StreamState {
        let inner = Inner { taken: Vec::new(), progress: Instant::now(), is_idle: false, has_ended: false };
        StreamState { inner: Mutex::new(inner), ended: Notify::new() }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns when the stream is closed on our side.
    pub async fn wait_ended(&self) {
        self.ended.notified().await;
    }

    pub fn has_ended(&self) -> bool {
        self.lock().has_ended
    }

    /// The stream is over: nothing more may be drawn for it, and what it had is the caller's.
    pub fn finish(&self) -> Vec<Arc<Batch>> {
        let mut inner = self.lock();
        inner.has_ended = true;
        std::mem::take(&mut inner.taken)
    }

    /// Since when the other end owes something: an answer, or reading what waits.
    pub fn owes_since(&self, has_waiting: bool) -> Option<Instant> {
        let inner = self.lock();
        (inner.has_ended || !inner.is_idle || has_waiting).then_some(inner.progress)
    }

    /// Nothing more will be drawn for the stream.
    pub fn end(&self) {
        let mut inner = self.lock();
        inner.has_ended = true;
        inner.progress = Instant::now();
        drop(inner);
        self.ended.notify_one();
    }
}

/// Serialized messages; the transport frames them.
#[derive(Debug)]
pub struct Feed {
    shared: Arc<Shared>,
    state: Arc<StreamState>,
    backend: Backend,
    /// Name and cluster of the node, until the first message has told them.
    node: Option<(String, String)>,
    current: Option<(Arc<Batch>, usize)>,
    left_bytes: usize,
    /// One batch and no more.
    is_alone: bool,
    age: Pin<Box<Sleep>>,
}

impl Feed {
    pub fn new(
        shared: Arc<Shared>,
        state: Arc<StreamState>,
        backend: Backend,
        options: &OapOptions,
        is_alone: bool,
    ) -> Feed {
        Feed {
            shared,
            state,
            backend,
            node: Some((options.node_name.clone(), options.cluster_name.clone())),
            current: None,
            left_bytes: options.stream_bytes,
            is_alone,
            age: Box::pin(tokio::time::sleep(options.stream_age())),
        }
    }

    /// The next message of the batch at hand that has a form for this backend.
    fn next_message(&mut self) -> Option<Bytes> {
        let (batch, index) = self.current.as_mut()?;
        loop {
            let Some(message) = batch.message(*index, self.backend) else {
                self.current = None;
                return None;
            };
            *index += 1;
            if message.is_empty() {
                continue;
            }
            let counter = &self.shared.counters;
            let records = if batch.is_first_attempt() { &counter.sent } else { &counter.resent };
            records.fetch_add(1, Ordering::Relaxed);
            return Some(match self.node.take() {
                Some((name, cluster)) => {
                    let mut first = node_message(&name, &cluster, batch.boot_wall_ns);
                    first.extend_from_slice(&message);
                    Bytes::from(first)
                }
                None => message,
            });
        }
    }

    fn take_batch(&mut self, context: &mut Context<'_>) -> Poll<bool> {
        if self.left_bytes == 0 || self.age.as_mut().poll(context).is_ready() {
            return Poll::Ready(false);
        }
        match ready!(self.shared.queue.poll_next(context)) {
            Next::Flush => Poll::Ready(false),
            Next::Batch(batch) => {
                self.state.lock().taken.push(Arc::clone(&batch));
                self.current = Some((batch, 0));
                if self.is_alone {
                    self.left_bytes = 0;
                }
                Poll::Ready(true)
            }
        }
    }
}

impl Stream for Feed {
    type Item = Bytes;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let this = self.get_mut();
        // A stream that failed may still be polled by the connection; it must not draw batches any more.
        if this.state.has_ended() {
            return Poll::Ready(None);
        }
        loop {
            if let Some(message) = this.next_message() {
                this.left_bytes = this.left_bytes.saturating_sub(message.len());
                this.shared.counters.bytes.fetch_add(message.len() as u64, Ordering::Relaxed);
                let mut inner = this.state.lock();
                (inner.progress, inner.is_idle) = (Instant::now(), false);
                return Poll::Ready(Some(message));
            }
            match this.take_batch(context) {
                Poll::Ready(true) => {}
                Poll::Ready(false) => {
                    this.state.end();
                    return Poll::Ready(None);
                }
                Poll::Pending => {
                    let mut inner = this.state.lock();
                    (inner.progress, inner.is_idle) = (Instant::now(), true);
                    return Poll::Pending;
                }
            }
        }
    }
}
