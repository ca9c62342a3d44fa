"""A status in Prometheus' words.

Labels are bounded: hooks, programs and causes are tables, services the engine bounds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from rover.telemetry.status import Status
from rover.telemetry.traffic import traffic_metrics

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4
_NO_CAUSES = frozenset({"captured", "reported", "in_flight", "records"})
_NS = 1e-9

_GAUGES = (
    ("connections", "rover_connections", "Connections that are followed.", 1),
    ("processes", "rover_processes", "Processes that the engine knows, whatever the rules say of them.", 1),
    ("addresses", "rover_addresses", "Addresses of others that have a name.", 1),
    ("records_held", "rover_held_records", "Records that wait for the decision on a process or for a name.", 1),
    ("rows_waiting", "rover_waiting_rows", "Records that wait for the store.", 1),
    ("output_bytes_waiting", "rover_output_waiting_bytes", "Encoded records that wait for a slow file or pipe.", 1),
    ("ring_bytes_waiting", "rover_ring_waiting_bytes", "The most that one round found in the ring buffer.", 1),
    ("lag_ns", "rover_engine_lag_seconds", "The longest that an event can have waited in the ring buffer.", _NS),
)
_COUNTERS = (
    ("events", "rover_events", "Events drained from the ring buffer.", 1),
    ("records", "rover_records", "Records emitted; an unfinished one counts again when it ends.", 1),
    ("engine_cpu_ns", "rover_engine_cpu_seconds", "CPU time of the drain thread.", _NS),
    ("process_events_lost", "rover_process_events_lost", "Forks, execs and exits that found no room.", 1),
    ("watch_table_full", "rover_watch_table_full", "Processes that found no room in the kernel's table.", 1),
    ("layers_contradicted", "rover_layers_contradicted", "Writes whose layers are unknown: a hook was left out.", 1),
    ("tls_calls_missed", "rover_tls_calls_missed", "Calls of TLS libraries of which one end was not seen.", 1),
    ("tls_events_lost", "rover_tls_events_lost", "Events of TLS that found no room.", 1),
)
_LOST_CONNECTION_EVENTS = {"ring_full": "connection_events_lost", "unconfirmed": "connection_events_unconfirmed"}
_STREAM_COUNTS = ("pushed", "sent", "resent", "acked", "withheld")


class _Collector:
    def __init__(self, status: Status) -> None:
        self._status = status

    def collect(self) -> Iterator[Metric]:
        status = self._status
        yield InfoMetricFamily("rover_build", "The program.", {"version": status["version"]})
        yield _gauge("rover_ready", "Whether everything is attached and the engine drains.", status["state"] == "ready")
        yield _gauge("rover_watched_processes", "Processes that are watched.", status["watched_processes"])
        if status["pulse_s"] is not None:
            yield _gauge(
                "rover_engine_pulse_seconds", "Since the drain thread began its last round.", status["pulse_s"]
            )
        yield _gauge(
            "rover_bpf_stats_enabled",
            "Whether the kernel counts runs and run time of programs (kernel.bpf_stats_enabled).",
            status["bpf_stats_enabled"],
        )
        if "stats" in status:
            yield from _ledger(status["ledger"])
            yield from _engine(status["stats"])
            yield from _programs(status["stats"]["programs"], status["bpf_stats_enabled"])
            yield from _streams(status["stats"]["oap"])
            yield from _kernel(status["hooks"], status["tls"])
        yield from _collectors(status.get("collectors", ()))
        yield from traffic_metrics(status.get("traffic", ()))
        yield from _control(status)


def exposition(status: Status) -> bytes:
    """The status in the text format of Prometheus."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collector(status))
    ProcessCollector(registry=registry)
    return generate_latest(registry)


def _ledger(ledger: Mapping[str, int]) -> Iterator[Metric]:
    yield _counter("rover_operations_captured", "Socket operations seen.", ledger["captured"])
    yield _counter("rover_operations_reported", "Socket operations that are in some record.", ledger["reported"])
    yield _gauge("rover_operations_in_flight", "Socket operations on their way into a record.", ledger["in_flight"])
    causes = ((cause, count) for cause, count in ledger.items() if cause not in _NO_CAUSES)
    yield _family(
        CounterMetricFamily("rover_operations_lost", "Socket operations in no record, by cause.", labels=["cause"]),
        (((cause,), count) for cause, count in causes),
    )


def _engine(stats: Mapping[str, Any]) -> Iterator[Metric]:
    for key, name, text, unit in _GAUGES:
        yield _gauge(name, text, stats.get(key, 0) * unit)
    for key, name, text, unit in _COUNTERS:
        yield _counter(name, text, stats.get(key, 0) * unit)
    yield _family(
        CounterMetricFamily(
            "rover_connection_events_lost",
            "Openings, closings and sums of connections that are told to nobody, by cause.",
            labels=["cause"],
        ),
        (((cause,), stats.get(key, 0)) for cause, key in _LOST_CONNECTION_EVENTS.items()),
    )
    yield _family(
        CounterMetricFamily(
            "rover_service_operations",
            "Socket operations in records, by the service that is charged with their measurement.",
            labels=["service"],
        ),
        (((service,), count) for service, count in sorted(stats["services"].items())),
    )


def _programs(programs: Iterable[Mapping[str, Any]], is_counted: bool) -> Iterator[Metric]:
    """Runs and their time stand still while the kernel does not count them: then they are left out."""
    labels = ["program", "hook"]
    missed = CounterMetricFamily(
        "rover_bpf_program_missed", "Runs that the kernel left out: the program ran on that CPU already.", labels=labels
    )
    runs = CounterMetricFamily("rover_bpf_program_runs", "Runs of a program in the kernel.", labels=labels)
    seconds = CounterMetricFamily("rover_bpf_program_seconds", "Run time of a program in the kernel.", labels=labels)
    for program in programs:
        named = (program["program"], program["hook"])
        missed.add_metric(named, program["missed"])
        runs.add_metric(named, program["runs"])
        seconds.add_metric(named, program["run_ns"] * _NS)
    yield missed
    if is_counted:
        yield runs
        yield seconds


def _streams(streams: Iterable[Mapping[str, Any]]) -> Iterator[Metric]:
    labels = ["stream"]
    records = CounterMetricFamily(
        "rover_reporter_records", "Records by what became of them.", labels=[*labels, "state"]
    )
    dropped = CounterMetricFamily("rover_reporter_dropped", "Records lost, by cause.", labels=[*labels, "cause"])
    held = GaugeMetricFamily("rover_reporter_held_records", "Records not yet acknowledged.", labels=labels)
    held_bytes = GaugeMetricFamily("rover_reporter_held_bytes", "Bytes not yet acknowledged.", labels=labels)
    sent_bytes = CounterMetricFamily("rover_reporter_bytes", "Bytes of messages sent.", labels=labels)
    reconnects = CounterMetricFamily("rover_reporter_reconnects", "Connections after the first.", labels=labels)
    connected = GaugeMetricFamily("rover_reporter_connected", "Whether there is a stream.", labels=labels)
    for number, stream in enumerate(streams):
        name = str(number)
        for state in _STREAM_COUNTS:
            records.add_metric([name, state], stream.get(state, 0))
        for cause, count in stream.get("dropped", {}).items():
            dropped.add_metric([name, cause], count)
        held.add_metric([name], stream.get("held_records", 0))
        held_bytes.add_metric([name], stream.get("held_bytes", 0))
        sent_bytes.add_metric([name], stream.get("bytes", 0))
        reconnects.add_metric([name], stream.get("reconnects", 0))
        connected.add_metric([name], stream.get("backend") is not None)
    yield from (records, dropped, held, held_bytes, sent_bytes, reconnects, connected)


def _collectors(collectors: Iterable[Mapping[str, Any]]) -> Iterator[Metric]:
    labels = ["collector"]
    spans = CounterMetricFamily("rover_otlp_spans", "Spans by what became of them.", labels=[*labels, "state"])
    dropped = CounterMetricFamily("rover_otlp_dropped", "Spans lost, by cause.", labels=[*labels, "cause"])
    held = GaugeMetricFamily("rover_otlp_held_bytes", "Bytes of spans that wait.", labels=labels)
    for number, collector in enumerate(collectors):
        name = str(number)
        for state in ("pushed", "acked"):
            spans.add_metric([name, state], collector[state])
        for cause, count in collector["dropped"].items():
            dropped.add_metric([name, cause], count)
        held.add_metric([name], collector["held_bytes"])
    yield from (spans, dropped, held)


def _kernel(hooks: Iterable[Mapping[str, Any]], tls: Mapping[str, Any]) -> Iterator[Metric]:
    yield _family(
        GaugeMetricFamily("rover_hook_attached", "Whether a hook is attached.", labels=["hook", "mode"]),
        (((hook["hook"], hook["mode"]), hook["attached"]) for hook in hooks),
    )
    libraries = [library["attached"] for library in tls.get("libraries", [])]
    yield _family(
        GaugeMetricFamily("rover_tls_libraries", "TLS libraries found.", labels=["attached"]),
        (((word,), libraries.count(word == "true")) for word in ("true", "false")),
    )
    yield _counter("rover_tls_mappings_lost", "Mappings of files not looked at.", tls.get("mappings_lost", 0))


def _control(status: Status) -> Iterator[Metric]:
    if "reloads" in status:
        yield _family(
            CounterMetricFamily("rover_config_reloads", "Configurations read again, by outcome.", labels=["outcome"]),
            (((outcome,), count) for outcome, count in status["reloads"].items()),
        )
    if "governor" in status:
        governor = status["governor"]
        yield _gauge("rover_governor_level", "What is given up: 0 nothing … 3 connections.", governor["level"])
        yield _counter("rover_governor_changes", "Changes of that level.", governor["changes"])


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value=float(value))


def _counter(name: str, text: str, value: float) -> Metric:
    return CounterMetricFamily(name, text, value=float(value))


def _family(family: Any, samples: Iterable[tuple[tuple[str, ...], float]]) -> Metric:
    for labels, value in samples:
        family.add_metric(labels, float(value))
    metric: Metric = family
    return metric
