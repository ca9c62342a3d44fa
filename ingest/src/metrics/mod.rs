//! Metrics: records become figures of services, instances, endpoints and the relations between them.
//!
//! Names, functions and units of the metrics are not known here: they are formulas over the columns, in
//! `rover/backend/metrics`.

mod columns;
mod fold;
mod grouping;
mod pack;
mod sampling;
mod sketch;
mod telling;
mod told;

pub use columns::{Column, Figures, NotFigures, NAMES};
pub use fold::{fold, Folded, Kind, Share, Window};
pub use grouping::{Call, Grouping, GroupingOptions, PATTERNS};
pub use pack::{packed, Entry};
pub use sampling::{Choice, Sampling, Seen};
pub use told::read_told;
pub(crate) use told::unhex;
