"""A limit on how often something happens: a bucket of tokens that fills at a steady rate."""

from __future__ import annotations

import threading
import time


class Bucket:
    """Lets `burst` things happen at once and `rate` a second in the long run. For several threads."""

    def __init__(self, rate: float, burst: int) -> None:
        """`rate`: per second."""
        self._rate = rate
        self._burst = burst
        self._left = float(burst)
        self._at = time.monotonic()
        self._lock = threading.Lock()

    def take(self) -> bool:
        """Whether one more may happen now; counts it if so."""
        with self._lock:
            now = time.monotonic()
            self._left = min(self._burst, self._left + (now - self._at) * self._rate)
            self._at = now
            if self._left < 1:
                return False
            self._left -= 1
            return True
