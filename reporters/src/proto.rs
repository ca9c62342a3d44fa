//! Messages, clients and servers of SkyWalking's protocol, generated from `proto/` at build time.

#![allow(missing_docs, clippy::all)]

pub mod skywalking {
    pub mod v3 {
        tonic::include_proto!("skywalking.v3");
    }
}

/// The management service without a package, as old agents call it.
pub mod compat {
    use super::skywalking;

    include!(concat!(env!("OUT_DIR"), "/_.rs"));
}

pub use skywalking::v3;
