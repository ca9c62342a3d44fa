//! Drain, connections, streams, pairing and the ledger. `python/` beside `src/` makes it the module `rover._engine`.
