"""rover's spans, read by the official protocol files: what is sent, and what becomes of what is not taken."""

import time

import grpc
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTracePartialSuccess,
    ExportTraceServiceResponse,
)

from tests.wire import messages
from tests.wire.programs import BUILD_SECONDS

from .senders import Receiver, send_spans

pytestmark = pytest.mark.timeout(BUILD_SECONDS)

DIFFERENT = 12
"""Records that the sender knows; one of them is unfinished and comes again when it is not."""


def test_every_shape_of_record_is_a_sound_span_and_none_is_lost() -> None:
    """Nothing in it that the protocol does not know; ids of the right length, times in order."""
    with Receiver() as collector:
        sent = send_spans([collector.endpoint], DIFFERENT)
    assert sent.is_balanced
    assert (sent.stats["acked"], sent.stats["withheld"], sent.stats["dropped"]) == (DIFFERENT - 1, 1, {})
    assert not any(messages.unknown_fields(request) for request in (*collector.traces, *collector.metrics))
    spans = collector.spans()
    assert len({span.span_id for span in spans}) == len(spans) == DIFFERENT - 1
    for span in spans:
        assert (len(span.trace_id), len(span.span_id)) == (16, 8)
        assert 0 < span.start_time_unix_nano <= span.end_time_unix_nano
        keys = [pair.key for pair in span.attributes]
        assert len(keys) == len(set(keys))
        assert all(pair.value.WhichOneof("value") for pair in span.attributes)


def test_the_sums_of_the_histograms_are_those_of_the_records() -> None:
    """Counts, sums and buckets, whatever the series."""
    with Receiver() as collector:
        sent = send_spans([collector.endpoint], 600)
    known = [
        record["duration_ns"]
        for record in sent.records
        if record["duration_ns"] is not None and "unfinished" not in record["flags"]
    ]
    points = [
        point
        for found in collector.metrics[-1].resource_metrics
        for scope in found.scope_metrics
        for metric in scope.metrics
        for point in metric.histogram.data_points
    ]
    assert sum(point.count for point in points) == len(known) > 500
    assert sum(point.sum for point in points) == pytest.approx(sum(known) * 1e-9)
    for point in points:
        assert len(point.bucket_counts) == len(point.explicit_bounds) + 1
        assert sum(point.bucket_counts) == point.count
        assert point.bucket_counts[0] == point.count  # 1.5 ms each


def test_headers_go_with_every_request() -> None:
    """Traces and metrics."""
    with Receiver() as collector:
        send_spans([collector.endpoint], DIFFERENT, headers=[["authorization", "Bearer secret"]])
    assert len(collector.metadata) == 2
    assert all(metadata["authorization"] == "Bearer secret" for metadata in collector.metadata)


def test_what_was_not_taken_is_sent_again() -> None:
    """UNAVAILABLE says nothing about the spans."""

    def answer(number: int, context: grpc.ServicerContext) -> ExportTraceServiceResponse:
        if number <= 2:
            context.abort(grpc.StatusCode.UNAVAILABLE, "as told")
        return ExportTraceServiceResponse()

    with Receiver(answer) as collector:
        sent = send_spans([collector.endpoint], DIFFERENT)
    assert (sent.stats["acked"], sent.stats["dropped"], sent.stats["retries"]) == (DIFFERENT - 1, {}, 2)
    assert len(collector.spans()) == DIFFERENT - 1


def test_what_is_refused_for_good_is_counted() -> None:
    """And does not stop what comes after it."""

    def answer(number: int, context: grpc.ServicerContext) -> ExportTraceServiceResponse:
        if number == 1:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "as told")
        return ExportTraceServiceResponse()

    with Receiver(answer) as collector:
        sent = send_spans([collector.endpoint], 240, batch_bytes=20_000)
    assert sent.is_balanced
    assert set(sent.stats["dropped"]) == {"report_failed"}
    assert sent.stats["acked"] == len(collector.spans()) == 220 - sent.stats["dropped"]["report_failed"]
    assert "INVALID" in sent.stats["last_error"].upper()


def test_what_the_collector_throws_away_is_counted() -> None:
    """A partial success."""

    def answer(number: int, context: grpc.ServicerContext) -> ExportTraceServiceResponse:
        return ExportTraceServiceResponse(
            partial_success=ExportTracePartialSuccess(rejected_spans=3, error_message="too old")
        )

    with Receiver(answer) as collector:
        sent = send_spans([collector.endpoint], DIFFERENT)
    assert (sent.stats["acked"], sent.stats["dropped"]) == (DIFFERENT - 4, {"report_rejected": 3})
    assert "too old" in sent.stats["last_error"]


def test_the_next_address_is_taken_when_one_does_not_answer() -> None:
    """Addresses are tried in turn."""
    with Receiver() as collector:
        sent = send_spans(["http://127.0.0.1:1", collector.endpoint], DIFFERENT)
    assert sent.stats["acked"] == DIFFERENT - 1
    assert "127.0.0.1:1" in sent.stats["last_error"]


@pytest.mark.slow
def test_a_dead_collector_costs_counted_loss_and_no_more() -> None:
    """What is held stays below the bound; the rest is in the account, the oldest first."""
    sent = send_spans(["http://127.0.0.1:1"], 12_000, queue_bytes=1 << 20, batch_bytes=100_000)
    assert sent.is_balanced
    assert sent.stats["acked"] == sent.stats["held_records"] == 0
    assert sent.stats["dropped"]["report_queue_full"] > 5000
    assert sent.stats["dropped"]["report_unsent"] > 100


def test_a_connection_is_opened_anew_after_its_time() -> None:
    """So that a load balancer can choose again."""
    with Receiver() as collector:
        began = time.monotonic()
        sent = send_spans([collector.endpoint], 600, rate=300, batch_seconds=0.1, connection_seconds=0.5, metrics=False)
        elapsed = time.monotonic() - began
    assert sent.stats["acked"] == 550
    assert 2 <= sent.stats["reconnects"] <= elapsed / 0.5 + 1
