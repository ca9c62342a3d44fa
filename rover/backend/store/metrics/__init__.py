"""Metrics in the store: written with the records they are of, read by `rover.backend.metrics`.

kinds.py     kinds of entities, lengths of steps
entities.py  numbers of entities; how many are admitted
book.py      the figures of a batch, inside the writer's transaction
packs.py     figures of a minute, an hour, a day: one value for each service and kind
rollup.py    minutes that are over become packs
expire.py    what is too old goes
"""

from rover.backend.store.metrics.book import MetricBook
from rover.backend.store.metrics.expire import expire
from rover.backend.store.metrics.rollup import roll

__all__ = ["MetricBook", "expire", "roll"]
