//! Which batch is at fault, and which only met a backend that is away.
//!
//! After streams failed in a row, each carries one batch alone. One that goes on failing alone is put aside and the next is
//! tried: if that passes, the fault is the first one's, and it is given up; if some fail one after the other, it is the
//! backend that refuses them, and all are kept.

use std::sync::Arc;

use tonic::{Code, Status};

use super::batch::Batch;

/// Failures in a row after which batches go alone.
const CAREFUL: u32 = 2;

/// A batch is suspect from so many strikes on.
const SUSPECT: u8 = 6;

/// So many suspects in a row acquit each other.
const ACQUITTED: usize = 3;

/// Batches that have to pass alone before several share a stream again.
const TRUST: u32 = 16;

/// How a stream failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The backend answered that it does not want what was on it.
    Refused,
    /// The connection broke. A batch that makes a backend fall over looks like this, and so does any restart.
    Broken,
    /// The backend said that it is not there, or not for us; or it said nothing.
    Away,
}

impl Failure {
    pub fn of(status: &Status) -> Failure {
        // A status that the transport made up has a cause, one that was sent has none.
        if std::error::Error::source(status).is_some() {
            return Failure::Broken;
        }
        match status.code() {
            Code::Unavailable
            | Code::DeadlineExceeded
            | Code::Cancelled
            | Code::Aborted
            | Code::PermissionDenied
            | Code::Unauthenticated
            | Code::Unimplemented => Failure::Away,
            _ => Failure::Refused,
        }
    }

    fn strikes(self) -> u8 {
        match self {
            Failure::Refused => SUSPECT / 2,
            Failure::Broken => 1,
            Failure::Away => 0,
        }
    }
}

/// The state of the search.
#[derive(Debug, Default)]
pub struct Suspects {
    /// Streams that failed since one passed.
    failures: u32,
    /// Batches that have still to pass alone.
    alone: u32,
    /// Put aside: held by nobody else.
    aside: Vec<Arc<Batch>>,
}

impl Suspects {
    /// Whether the next stream has to carry one batch, and no other may be under way.
    pub fn is_careful(&self) -> bool {
        self.alone > 0
    }

    /// A stream failed. Which batches have to be sent again.
    pub fn failed(&mut self, mut batches: Vec<Arc<Batch>>, failure: Failure) -> Vec<Arc<Batch>> {
        self.failures += 1;
        let was_alone = self.alone > 0 && batches.len() == 1;
        if self.failures >= CAREFUL {
            self.alone = TRUST;
        }
        for batch in &batches {
            batch.set_sent();
            if was_alone && batch.strike(failure.strikes()) >= SUSPECT {
                self.aside.push(Arc::clone(batch));
            }
        }
        batches.retain(|batch| !self.aside.iter().any(|suspect| Arc::ptr_eq(suspect, batch)));
        if self.aside.len() >= ACQUITTED {
            batches.append(&mut self.acquit());
        }
        batches
    }

    /// A stream with something on it passed. What is at fault for the failures before.
    pub fn passed(&mut self) -> Vec<Arc<Batch>> {
        self.failures = 0;
        self.alone = self.alone.saturating_sub(1);
        std::mem::take(&mut self.aside)
    }

    /// Those put aside, to be sent again.
    pub fn acquit(&mut self) -> Vec<Arc<Batch>> {
        self.aside.iter().for_each(|batch| batch.forgive());
        std::mem::take(&mut self.aside)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::batch::OpenBatch;
    use super::*;

    fn batch() -> Arc<Batch> {
        let mut open = OpenBatch::default();
        open.bytes.push(1);
        open.close_record(1, 5);
        Arc::new(open.seal())
    }

    /// Lets the batch fail alone until it is put aside or sent again for the `most`th time.
    fn fail_alone(suspects: &mut Suspects, batch: &Arc<Batch>, failure: Failure, most: usize) -> usize {
        (1..=most).find(|_| !suspects.failed(vec![Arc::clone(batch)], failure).contains_same(batch)).unwrap_or(most)
    }

    trait ContainsSame {
        fn contains_same(&self, batch: &Arc<Batch>) -> bool;
    }

    impl ContainsSame for Vec<Arc<Batch>> {
        fn contains_same(&self, batch: &Arc<Batch>) -> bool {
            self.iter().any(|one| Arc::ptr_eq(one, batch))
        }
    }

    fn careful() -> Suspects {
        let mut suspects = Suspects::default();
        for _ in 0..CAREFUL {
            assert!(!suspects.is_careful());
            assert_eq!(suspects.failed(vec![batch(), batch()], Failure::Refused).len(), 2);
        }
        assert!(suspects.is_careful());
        suspects
    }

    #[test]
    fn what_fails_alone_while_others_pass_is_at_fault() {
        for (failure, expected) in [(Failure::Refused, 2), (Failure::Broken, 6)] {
            let (mut suspects, bad) = (careful(), batch());
            assert_eq!(fail_alone(&mut suspects, &bad, failure, 99), expected);
            let at_fault = suspects.passed();
            assert!(at_fault.len() == 1 && at_fault.contains_same(&bad));
            (0..TRUST).for_each(|_| assert!(suspects.passed().is_empty()));
            assert!(!suspects.is_careful());
        }
    }

    #[test]
    fn a_backend_that_refuses_everything_is_at_fault_itself() {
        let (mut suspects, batches) = (careful(), [batch(), batch(), batch()]);
        fail_alone(&mut suspects, &batches[0], Failure::Refused, 99);
        fail_alone(&mut suspects, &batches[1], Failure::Refused, 99);
        suspects.failed(vec![Arc::clone(&batches[2])], Failure::Refused);
        let back = suspects.failed(vec![Arc::clone(&batches[2])], Failure::Refused);
        assert!(batches.iter().all(|batch| back.contains_same(batch)));
        assert!(suspects.passed().is_empty());
    }

    #[test]
    fn a_backend_that_is_away_makes_nobody_suspect() {
        let (mut suspects, one) = (careful(), batch());
        assert_eq!(fail_alone(&mut suspects, &one, Failure::Away, 99), 99);
        assert!(suspects.passed().is_empty());
    }

    #[test]
    fn statuses_are_told_apart() {
        assert_eq!(Failure::of(&Status::invalid_argument("")), Failure::Refused);
        assert_eq!(Failure::of(&Status::unknown("")), Failure::Refused);
        assert_eq!(Failure::of(&Status::unavailable("")), Failure::Away);
        assert_eq!(Failure::of(&Status::permission_denied("")), Failure::Away);
        let broken = Status::from_error(Box::new(std::io::Error::other("reset")));
        assert_eq!(Failure::of(&broken), Failure::Broken);
    }
}
