"""`/metrics` of a real daemon, read by prometheus_client's parser, which did not write it, and by promtool if there."""

import shutil
import socket
import subprocess
from http.client import HTTPConnection

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.stage.deadline import wait_until

from .conftest import get_once, metrics_port

pytestmark = pytest.mark.root


def samples(text):
    """Value by name and labels."""
    return {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_the_text_is_what_a_parser_expects(ask):
    """The media type names the version of the format."""
    answer, text = ask("/metrics")
    assert answer.status == 200
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    found = samples(text)
    assert found["rover_ready",] == 1
    assert found["rover_engine_pulse_seconds",] < 5
    assert found["process_resident_memory_bytes",] > 1 << 20
    families = [line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")]
    assert len(families) == len(set(families))
    assert all(name.startswith(("rover_", "process_")) for name in families)


def test_promtool_has_no_objection(ask):
    """Names, units and help as Prometheus' own tool wants them."""
    tool = shutil.which("promtool")
    if tool is None:
        pytest.skip("promtool is not installed")
    done = subprocess.run([tool, "check", "metrics"], input=ask("/metrics")[1].encode(), capture_output=True)
    assert (done.returncode, done.stderr) == (0, b"")


def test_the_ledger_balances_and_every_cause_is_told(ask):
    """captured = reported + in flight + what was lost by cause."""
    found = samples(ask("/metrics")[1])
    lost = {key: value for key, value in found.items() if key[0] == "rover_operations_lost_total"}
    assert len(lost) >= 18
    captured, reported = found["rover_operations_captured_total",], found["rover_operations_reported_total",]
    assert captured == reported + found["rover_operations_in_flight",] + sum(lost.values())


def test_lost_connection_events_are_told_by_cause(ask):
    """In the ring buffer, or because their process was not decided on."""
    found = samples(ask("/metrics")[1])
    lost = {key: value for key, value in found.items() if key[0] == "rover_connection_events_lost_total"}
    assert {cause for _, (_, cause) in lost} == {"ring_full", "unconfirmed"}, lost


def test_an_exchange_is_counted_and_charged_to_its_service(ask):
    """The scrape itself is one: of rover and of this process."""
    before = samples(ask("/metrics")[1])

    def charged():
        found = samples(ask("/metrics")[1])
        return {
            key[1][1]: value - before.get(key, 0)
            for key, value in found.items()
            if key[0] == "rover_service_operations_total" and value > before.get(key, 0)
        }

    assert wait_until(lambda: len(charged()) >= 1, "a charged service")
    assert samples(ask("/metrics")[1])["rover_records_total",] > before["rover_records_total",]


def test_every_hook_is_told_with_its_way(ask):
    """Attached or not."""
    found = samples(ask("/metrics")[1])
    hooks = {key: value for key, value in found.items() if key[0] == "rover_hook_attached"}
    assert sum(hooks.values()) >= 10
    assert all(dict(key[1:])["mode"] != "none" for key, value in hooks.items() if value)


def test_runs_of_programs_are_told_only_if_the_kernel_counts_them(ask):
    """A count that stands still would look like a hook without events."""
    found = samples(ask("/metrics")[1])
    is_told = any(key[0] == "rover_bpf_program_runs_total" for key in found)
    assert is_told == (found["rover_bpf_stats_enabled",] == 1)


def test_health_readiness_and_nothing_else(ask):
    """The status is for the local socket alone."""
    assert (ask("/healthz")[0].status, ask("/healthz")[1]) == (200, "ready\n")
    assert ask("/readyz")[1].startswith("ready\n")
    assert ask("/status")[0].status == 404
    assert ask("/healthz?x=1")[0].status == 200


def test_a_page_of_somebody_else_cannot_ask_by_way_of_a_browser(ask):
    """DNS rebinding: its requests carry its own name in Host."""
    assert ask("/metrics", Host="evil.example")[0].status == 421


def test_who_asks_without_end_is_slowed_down(daemon, ask):
    """429 after a burst, and answers again a second later."""
    statuses = [get_once(metrics_port(daemon), "/healthz")[0].status for _ in range(80)]
    assert set(statuses) == {200, 429}
    assert ask("/healthz")[0].status == 200


def test_who_asks_without_end_slows_nobody_else_down(daemon):
    """The limit is by address: a probe of another one is answered meanwhile."""
    port = metrics_port(daemon)
    statuses = {get_once(port, "/healthz")[0].status for _ in range(60)}
    assert 429 in statuses
    other = HTTPConnection("127.0.0.1", port, timeout=10, source_address=("127.0.0.2", 0))
    other.request("GET", "/healthz")
    assert other.getresponse().status == 200
    other.close()


def test_clients_that_say_nothing_do_not_shut_others_out(daemon, ask):
    """They are let go after some seconds, and are bounded in number."""
    idle = [socket.create_connection(("127.0.0.1", metrics_port(daemon))) for _ in range(40)]
    try:
        assert wait_until(lambda: _answers(ask), "an answer", 20)
    finally:
        for each in idle:
            each.close()


def _answers(ask):
    try:
        return ask("/healthz")[0].status == 200
    except OSError:
        return False
