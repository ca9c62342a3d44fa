//! The HTTP/1 observer against byte vectors; [`vector::Vector::check`] feeds each in every way.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod body;
mod drive;
mod head;
mod not_http;
mod response;
mod resync;
mod times;
mod trace;
mod upgrade;
mod vector;
