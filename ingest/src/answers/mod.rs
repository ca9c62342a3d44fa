//! Answers of the API that are made without Python, and so without the GIL, which the threads that store want all the
//! time: records out of their blocks, and the map.

mod addresses;
mod map;
mod records;

pub use map::{map, Map};
pub use records::records;
