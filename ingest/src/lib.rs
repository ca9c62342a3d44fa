//! Backend ingest.
