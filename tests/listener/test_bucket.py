"""How often one peer may do something."""

import pytest

from rover.listener import Buckets
from rover.listener.bucket import PEERS


class Clock:
    """Seconds that pass when told to."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


def taken(buckets: Buckets, peer: str, times: int = 100) -> int:
    return sum(buckets.take(peer) for _ in range(times))


def test_a_burst_passes_and_then_the_steady_rate(clock: Clock) -> None:
    """However long it was quiet, the burst is the most."""
    buckets = Buckets(2.0, 10, clock)
    assert taken(buckets, "10.0.0.1") == 10
    clock.now_s += 3
    assert taken(buckets, "10.0.0.1") == 6
    clock.now_s += 3600
    assert taken(buckets, "10.0.0.1") == 10


@pytest.mark.parametrize(
    ("one", "other", "are_one"),
    [
        ("10.0.0.1", "10.0.0.2", False),
        ("10.0.0.1", "::ffff:10.0.0.1", True),
        ("2001:db8::1", "2001:db8::ffff:1", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("fe80::1%eth0", "fe80::2%eth0", True),
        ("", "10.0.0.1", False),
    ],
)
def test_a_host_has_one_account(clock: Clock, one: str, other: str, are_one: bool) -> None:
    """Whatever address of its own it takes."""
    buckets = Buckets(1.0, 10, clock)
    assert taken(buckets, one) == 10
    assert taken(buckets, other) == (0 if are_one else 10)


def test_who_was_quiet_longest_is_forgotten_first(clock: Clock) -> None:
    """The memory is bounded, and a busy peer does not get a new account by many others coming."""
    buckets = Buckets(1.0, 10, clock)
    assert taken(buckets, "busy") == 10
    for number in range(3 * PEERS):
        assert buckets.take(f"peer {number}")
        assert not buckets.take("busy")
    assert len(buckets._left) <= PEERS
