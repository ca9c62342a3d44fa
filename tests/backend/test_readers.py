"""Reading never takes for ever, never writes, and never holds up the writer."""

import sqlite3
import threading
import time
from collections.abc import Callable

import pytest

from rover.backend import BackendOptions, Store
from rover.backend.store.readers import CONNECTIONS, Readers
from tests.backend.rows import traffic

START_NS = 1_800_000_000_000_000_000
ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"


def test_a_query_that_takes_too_long_is_given_up(options: BackendOptions, store: Store) -> None:
    """By time, not by goodwill; the connection can be used again."""
    readers = Readers(options.store_path, 0.05)
    began = time.monotonic()
    with pytest.raises(TimeoutError, match=r"longer than 0\.05 s"), readers.snapshot() as connection:
        connection.execute(ENDLESS).fetchone()
    assert time.monotonic() - began < 5
    with readers.snapshot() as connection:
        assert connection.execute("SELECT count(*) FROM exchange").fetchone() == (0,)
    readers.reset()


def test_a_reader_cannot_write(options: BackendOptions, store: Store) -> None:
    """Whatever a query became, it does not change data."""
    readers = Readers(options.store_path, 5)
    with pytest.raises(sqlite3.OperationalError, match="readonly"), readers.snapshot() as connection:
        connection.execute("DELETE FROM exchange")
    readers.reset()


def test_a_reader_sees_one_state_while_the_writer_goes_on(
    options: BackendOptions, store: Store, put: Callable[..., None]
) -> None:
    """Write-ahead log: neither waits for the other."""
    readers = Readers(options.store_path, 5)
    count = "SELECT count(*) FROM exchange"
    put(*traffic(100, START_NS))
    with readers.snapshot() as connection:
        assert connection.execute(count).fetchone() == (100,)
        put(*traffic(100, START_NS + 10**12))
        assert connection.execute(count).fetchone() == (100,)
    with readers.snapshot() as connection:
        assert connection.execute(count).fetchone() == (200,)
    readers.reset()


def test_connections_are_reused_and_few(options: BackendOptions, store: Store) -> None:
    """Each holds pages in memory."""
    readers = Readers(options.store_path, 5)
    gate = threading.Barrier(CONNECTIONS + 3)

    def read() -> None:
        with readers.snapshot() as connection:
            gate.wait(10)
            connection.execute("SELECT 1").fetchone()

    threads = [threading.Thread(target=read) for _ in range(CONNECTIONS + 3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(readers._idle) == CONNECTIONS
    readers.reset()
    assert readers._idle == []
