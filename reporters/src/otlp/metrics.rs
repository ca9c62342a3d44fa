//! `http.server.request.duration` and `http.client.request.duration`: histograms kept here, told every now and then as they
//! are since the start.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::attributes::Attributes;
use super::resource::Resource;
use super::span::{push_key_attributes, KeyUse};
use crate::durations::{Durations, BOUNDS_NS};
use crate::record::{Record, Side};
use crate::wire::{push_bytes, push_double, push_fixed64, push_integer, push_message, push_packed64, push_text};

/// Series at most, the limit that OpenTelemetry's own libraries have; what comes above goes into one per resource.
const SERIES: usize = 2000;

/// A series to which nothing was added for so many rounds is told no more.
const ROUNDS: u32 = 30;

/// `AggregationTemporality`
const CUMULATIVE: u64 = 2;

/// Field of `HistogramDataPoint`.
const ATTRIBUTES: u32 = 9;

#[derive(Clone, Debug, Default)]
struct Series {
    durations: Durations,
    last_round: u32,
}

/// Series by their encoded attributes.
type OfSide = FxHashMap<Box<[u8]>, Series>;

/// All series.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    /// Of servers, and of clients.
    by_resource: FxHashMap<Resource, [OfSide; 2]>,
    series: usize,
    /// How often they were told.
    round: u32,
    scratch: Vec<u8>,
    /// Durations that went into the series of those above the limit.
    pub overflowed: u64,
}

impl Metrics {
    /// Counts an exchange whose duration is known.
    pub fn add(&mut self, resource: &Resource, record: &Record) {
        let Some(duration_ns) = record.duration_ns else { return };
        self.scratch.clear();
        push_key_attributes(&mut Attributes::new(&mut self.scratch, ATTRIBUTES), record, KeyUse::Metric);
        let side = usize::from(record.side == Side::Client);
        let [server, client] = match self.by_resource.get_mut(resource) {
            Some(of_resource) => of_resource,
            None => self.by_resource.entry(Arc::clone(resource)).or_default(),
        };
        let of_side = if side == 0 { server } else { client };
        if !of_side.contains_key(self.scratch.as_slice()) {
            if self.series >= SERIES {
                self.overflowed += 1;
                self.scratch.clear();
                Attributes::new(&mut self.scratch, ATTRIBUTES).truth("otel.metric.overflow");
            }
            if !of_side.contains_key(self.scratch.as_slice()) {
                of_side.insert(self.scratch.as_slice().into(), Series::default());
                self.series += 1;
            }
        }
        if let Some(series) = of_side.get_mut(self.scratch.as_slice()) {
            series.durations.add(duration_ns);
            series.last_round = self.round;
        }
    }

    /// Another round begins: forgets series to which nothing is added any more.
    pub fn forget(&mut self) {
        self.round += 1;
        let round = self.round;
        for of_side in self.by_resource.values_mut().flatten() {
            of_side.retain(|_, series| series.last_round + ROUNDS >= round);
        }
        self.by_resource.retain(|_, sides| sides.iter().any(|of_side| !of_side.is_empty()));
        self.series = self.by_resource.values().flatten().map(FxHashMap::len).sum();
    }

    /// An `ExportMetricsServiceRequest` with all series; `None` if there are none.
    pub fn maybe_request(&self, start_ns: u64, now_ns: u64) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        for (resource, sides) in &self.by_resource {
            push_message(&mut out, 1, |resource_metrics| {
                push_bytes(resource_metrics, 1, resource);
                push_message(resource_metrics, 2, |scope_metrics| {
                    super::push_scope(scope_metrics);
                    let names = ["http.server.request.duration", "http.client.request.duration"];
                    for (name, of_side) in names.into_iter().zip(sides).filter(|(_, of_side)| !of_side.is_empty()) {
                        push_message(scope_metrics, 2, |metric| push_metric(metric, name, of_side, (start_ns, now_ns)));
                    }
                });
            });
        }
        (!out.is_empty()).then_some(out)
    }
}

fn push_metric(out: &mut Vec<u8>, name: &str, series: &OfSide, (start_ns, now_ns): (u64, u64)) {
    push_text(out, 1, name);
    push_text(out, 2, "Duration of HTTP exchanges, as seen on the wire.");
    push_text(out, 3, "s");
    push_message(out, 9, |histogram| {
        for (attributes, Series { durations, .. }) in series {
            push_message(histogram, 1, |point| {
                point.extend_from_slice(attributes);
                push_fixed64(point, 2, start_ns);
                push_fixed64(point, 3, now_ns);
                push_fixed64(point, 4, durations.count);
                push_double(point, 5, seconds(durations.sum_ns));
                push_packed64(point, 6, durations.buckets.iter().map(|count| count.to_le_bytes()));
                push_packed64(point, 7, BOUNDS_NS.iter().map(|bound| seconds(*bound).to_le_bytes()));
            });
        }
        push_integer(histogram, 2, CUMULATIVE);
    });
}

fn seconds(ns: u64) -> f64 {
    ns as f64 / 1e9
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples;

    fn resource() -> Resource {
        b"one".as_slice().into()
    }

    #[test]
    fn series_are_bounded_and_none_of_their_durations_is_lost() {
        let mut metrics = Metrics::default();
        for number in 0..3000_u32 {
            let host = Some(format!("host-{number}").into());
            metrics.add(&resource(), &Record { side: Side::Client, host, ..samples::exchange() });
        }
        assert_eq!((metrics.series, metrics.overflowed), (SERIES + 1, 1000));
        let counts = metrics.by_resource.values().flatten().flat_map(FxHashMap::values);
        assert_eq!(counts.map(|series| series.durations.count).sum::<u64>(), 3000);
    }

    #[test]
    fn what_is_over_is_forgotten() {
        let mut metrics = Metrics::default();
        metrics.add(&resource(), &samples::exchange());
        (0..ROUNDS).for_each(|_| metrics.forget());
        assert_eq!(metrics.series, 1);
        metrics.forget();
        assert_eq!(metrics.maybe_request(0, 1), None);
    }

    #[test]
    fn an_exchange_without_response_has_no_duration() {
        let mut metrics = Metrics::default();
        metrics.add(&resource(), &Record { duration_ns: None, ..samples::exchange() });
        assert_eq!(metrics.series, 0);
    }
}
