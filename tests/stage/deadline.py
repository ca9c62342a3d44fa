"""Waiting for a condition with a deadline: the only way in which tests here let time pass."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

POLL_SECONDS = 0.005


def wait_until(condition: Callable[[], T], what: str, seconds: float = 10.0) -> T:
    """First true value of `condition`. Raises TimeoutError, naming `what`, when none came within `seconds`."""
    end = time.monotonic() + seconds
    while True:
        if value := condition():
            return value
        if time.monotonic() > end:
            raise TimeoutError(f"waited {seconds:g} s in vain: {what}")
        time.sleep(POLL_SECONDS)
