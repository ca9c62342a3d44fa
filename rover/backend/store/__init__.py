"""The store: one SQLite file, one writer thread, read-only connections with a time limit.

file.py        opens the file, sets a corrupt one aside, locks it against a second rover
schema.py      numbered migrations
writer.py      the thread: queue, transactions, what to do when the disk is full
insert.py      rows into tables, inside the writer's transaction
sample.py      which rows are stored when more come than configured
blocks.py      64 records compressed together
metrics/       sums per minute, hour and day
histogram.py   durations as counts of logarithmic buckets
retain.py      what is too old or too much goes, in small steps
readers.py     read-only connections
filter.py      which exchanges: as SQL, and as a predicate for the live tail
query.py       what the API asks
whole.py       `Store`, which ties these together
"""

from rover.backend.store.filter import OTHER, UNKNOWN, Filter
from rover.backend.store.query import Page
from rover.backend.store.whole import Store, StoreFacts, open_store

__all__ = ["OTHER", "UNKNOWN", "Filter", "Page", "Store", "StoreFacts", "open_store"]
