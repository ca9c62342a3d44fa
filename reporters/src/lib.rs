//! From the record to wire bytes: the record itself, one module per encoder, the transports.

pub mod record;
