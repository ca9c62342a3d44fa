//! What leaves the engine: exchanges, and what connections do besides.

use rover_reporters::record::{Activity, Endpoint, Record};

/// One thing to report.
#[derive(Debug)]
pub enum Report {
    Exchange(Box<Record>),
    Activity(Box<Activity>),
}

impl Report {
    pub fn ends_mut(&mut self) -> (&mut Endpoint, &mut Endpoint) {
        match self {
            Report::Exchange(record) => (&mut record.local, &mut record.remote),
            Report::Activity(activity) => (&mut activity.local, &mut activity.remote),
        }
    }
}
