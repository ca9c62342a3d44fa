//! Sans-IO observers of HTTP byte streams.
