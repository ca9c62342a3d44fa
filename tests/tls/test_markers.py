"""Peers of one process are never crossed: the short form; `test_libraries.py` has the long one."""

import sys

import pytest

from tests.stage.judge import Judge

from .conftest import Certificate
from .test_records import PROGRAMS, truth_of

pytestmark = pytest.mark.root


def test_two_thousand_markers_are_never_crossed(judge: Judge, ports: list[int], certificate: Certificate) -> None:
    """asyncio at both ends in one process over memory BIOs, four peers at a time."""
    port = ports.pop()
    words = [str(port), str(certificate.certificate), str(certificate.key), "4", "500"]
    truth = truth_of([sys.executable, str(PROGRAMS / "memory_bio.py"), *words])
    assert len(truth) == 2000
    judge.require(port, truth)


def test_who_encrypts_and_sends_later_has_its_pairs(judge: Judge, ports: list[int], certificate: Certificate) -> None:
    """Threads that a busy machine stops between a call of the library and the one of the socket."""
    port = ports.pop()
    words = [str(port), str(certificate.certificate), str(certificate.key), "4", "20"]
    truth = truth_of([sys.executable, str(PROGRAMS / "stalled.py"), *words])
    assert len(truth) == 80
    judge.require(port, truth)
