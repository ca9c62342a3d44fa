"""The backend: rows in, SQLite, JSON API and web page out.

Public surface, used by the command line (`rover up`, `rover backend`):

    options = BackendOptions(store_path=Path("/var/lib/rover/rover.db"))
    store = open_store(options)
    backend = Backend(options, store, node_facts=lambda: {...})
    backend.add_source(engine)          # anything with take_rows(timeout_ms, most)
    url = backend.start()
    ...
    backend.stop()

Everything else in this package is private to it. Rules: it never touches BPF, processes or Kubernetes; it does no
work per exchange in Python beyond what storing a row needs; it reads no environment and no configuration file.
"""

from rover.backend.certificate import Renewal
from rover.backend.options import BackendError, BackendOptions, NodeFacts, Row, RowSource
from rover.backend.serve import Backend
from rover.backend.store import Store, open_store

__all__ = [
    "Backend",
    "BackendError",
    "BackendOptions",
    "NodeFacts",
    "Renewal",
    "Row",
    "RowSource",
    "Store",
    "open_store",
]
