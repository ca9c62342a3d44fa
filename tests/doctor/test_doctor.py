"""The findings as a person reads them, and the exit code."""

from __future__ import annotations

import json

import pytest

from rover.cli.main import main
from rover.config import Config
from rover.doctor import finding as finding_module
from rover.doctor import is_able, remarks, render


def a_finding(**changes):
    return {
        "kernel": {"release": "6.12.0", "machine": "x86_64", "btf": True, "lockdown": "integrity"},
        "privileges": [
            {"name": "CAP_BPF", "held": True, "needed_for": "loading programs"},
            {"name": "CAP_NET_ADMIN", "held": True, "needed_for": "interfaces"},
        ],
        "hooks": [
            {"hook": "sock:a", "mode": "tracepoint", "attached": True, "feeds": "bytes", "reason": None},
            {"hook": "skb:b", "mode": "tracepoint", "attached": True, "feeds": "payload", "reason": None},
        ],
        "error": None,
        **changes,
    }


MISSING_HOOK = {"hook": "skb:b", "mode": None, "attached": False, "feeds": "payload", "reason": "no such tracepoint"}


@pytest.fixture
def found(monkeypatch):
    """Makes the engine find this."""

    def finds(**changes):
        asked = []

        def probe(options: str) -> str:
            asked.append(json.loads(options)["attach"])
            return json.dumps(a_finding(**changes))

        monkeypatch.setattr(finding_module, "probe", probe)
        return asked

    return finds


def text_of(finding) -> str:
    return "\n".join(render(finding, has_color=False))


def test_everything_that_works_has_a_mark_and_the_verdict_says_so():
    text = text_of(a_finding())
    assert text.startswith("Linux 6.12.0 on x86_64\n")
    assert "  ✓ sock:a  tracepoint  bytes" in text
    assert "✗" not in text
    assert text.endswith("Everything works.")


def test_a_hook_that_is_missing_says_why_and_what_to_do():
    text = text_of(a_finding(hooks=[MISSING_HOOK]))
    assert "  ✗ skb:b  payload\n    → skb:b: no such tracepoint; without it what it feeds is unknown in records" in text
    assert text.endswith("Capture works, with 1 exception marked ✗ above.")


def test_every_thing_that_is_wrong_comes_with_something_to_do():
    finding = a_finding(
        kernel={"release": "5.4", "machine": "x86_64", "btf": False, "lockdown": "confidentiality"},
        privileges=[{"name": "CAP_BPF", "held": False, "needed_for": "loading programs"}],
        hooks=[MISSING_HOOK],
    )
    bad = [remark for remark in remarks(finding) if not remark.is_good]
    assert [remark.name for remark in bad] == ["BTF", "lockdown", "CAP_BPF", "skb:b"]
    assert all(remark.advice for remark in bad)
    assert text_of(finding).count("    → ") == 4


def test_a_lockdown_that_the_kernel_does_not_tell_is_not_called_none():
    kernel = {"release": "6.12.0", "machine": "x86_64", "btf": True, "lockdown": None}
    assert "✓ lockdown  this kernel does not tell" in text_of(a_finding(kernel=kernel))


def test_colour_is_only_added():
    finding = a_finding(hooks=[MISSING_HOOK])
    colored = "\n".join(render(finding, has_color=True))
    assert "\x1b[31m✗" in colored
    for code in ("\x1b[32m", "\x1b[31m", "\x1b[1m", "\x1b[2m", "\x1b[0m"):
        colored = colored.replace(code, "")
    assert colored == text_of(finding)


def test_the_exit_code_is_0_where_rover_can_capture(found, capsys):
    asked = found(hooks=[MISSING_HOOK])
    assert main(["doctor"]) == 0
    assert "Capture works" in capsys.readouterr().out
    assert asked == ["auto"]


def test_the_exit_code_is_3_where_it_cannot(found, capsys):
    found(hooks=[], error="CAP_BPF: start as root")
    assert main(["doctor"]) == 3
    assert "rover cannot capture here: CAP_BPF: start as root" in capsys.readouterr().out


def test_json_is_what_the_engine_found(found, capsys):
    found(error="no")
    assert main(["doctor", "--json"]) == 3
    finding = json.loads(capsys.readouterr().out)
    assert finding == a_finding(error="no")
    assert not is_able(finding)


def test_the_attach_mode_of_the_configuration_is_tried(found, tmp_path):
    file = tmp_path / "rover.yaml"
    file.write_text("kernel: {attach: tracepoint}")
    asked = found()
    main(["doctor", "-c", str(file)])
    assert asked == ["tracepoint"]


@pytest.mark.root
def test_this_machine_is_examined():
    finding = finding_module.examine(Config())
    assert is_able(finding)
    assert finding["kernel"]["btf"] is True
    assert any(hook["attached"] for hook in finding["hooks"])
    assert text_of(finding)


def a_library(**changes):
    return {
        "path": "/usr/lib/libssl.so.3",
        "kind": "openssl",
        "version": "3.0.19",
        "linkage": "shared",
        "functions": ["SSL_free", "ssl_read_internal"],
        "cost": "emulated",
        "attached": True,
        "reason": None,
        "notes": [],
        **changes,
    }


def with_tls(*libraries, enabled=True, reason=None):
    return a_finding(tls={"enabled": enabled, "reason": reason, "libraries": list(libraries)})


def test_each_tls_library_is_told_with_what_is_probed_and_what_a_probe_costs():
    text = text_of(with_tls(a_library(), a_library(path="/usr/bin/node", linkage="static", version=None)))
    assert "  ✓ /usr/lib/libssl.so.3  emulated  openssl 3.0.19: SSL_free, ssl_read_internal" in text
    assert "  ✓ /usr/bin/node         emulated  openssl of unknown version inside: SSL_free, ssl_read_internal" in text


def test_how_long_a_new_tls_library_is_blind_is_told_by_what_the_known_ones_took():
    finding = with_tls(a_library(), a_library(path="/usr/bin/node"))
    assert "blind window" not in text_of(finding)
    finding["tls"].update(inspected=10, inspect_ns=30_000_000, attach_ns=40_000_000)
    assert "about 23 ms of the first process" in text_of(finding)


def test_a_tls_library_that_is_not_probed_is_named_with_the_reason_and_what_was_not_found():
    library = a_library(attached=False, reason="the file has changed", functions=[], notes=["SSL_read: no end"])
    text = text_of(with_tls(library))
    assert "✗ /usr/lib/libssl.so.3" in text
    assert "    SSL_read: no end" in text
    assert "→ /usr/lib/libssl.so.3: the file has changed; its exchanges are counted as not_http" in text


def test_tls_that_cannot_be_had_is_an_exception_and_tls_that_is_switched_off_is_none():
    assert "✗ probes" in text_of(with_tls(enabled=False, reason="this kernel is built without uprobes"))
    assert "TLS" not in text_of(with_tls(enabled=False))
    off = text_of(with_tls(enabled=False, reason="tls.enabled is false"))
    assert "✓ probes" in off
    assert off.endswith("Everything works.")
