//! The HTTP/2 observer against connections made of frames; [`vector::Vector::check`] feeds each in every way.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod blocks;
mod drive;
mod exchange;
mod grpc;
mod join;
mod look;
mod resync;
mod streams;
mod times;
mod vector;
mod wire;
