//! Places through which every way back of a function passes, with the result in a known place.
//!
//! A probe on the return instructions would be simple, and dear: the kernel single-steps them. So the result is
//! followed backwards from each return (`flow`), and the nearest emulated instruction at which it is known, and behind
//! which nothing of interest happens any more, is taken (`cut`).

use iced_x86::Register;

use super::{Exit, Function};

mod condition;
mod cut;
mod flow;

/// What a place tells.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Told {
    /// The result itself.
    Result(Spot),
    /// Above 0 in `test` means that the result is on the stack at frame + `count`; else there is none.
    OnStack { test: Spot, count: i32 },
    /// One of these values means that the call has failed; another tells nothing yet.
    FailedIf(Spot, Failing),
    /// The call has failed.
    Failed,
}

/// Values that make a call fail at a conditional jump.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Failing {
    NotPositive,
    Negative,
    Zero,
}

/// Where the result is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Spot {
    pub place: SpotPlace,
    /// What is still to be added to it, of 8 bytes.
    pub plus: Option<SpotPlace>,
    /// How many bytes of it count.
    pub bytes: u8,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum SpotPlace {
    Register(Register),
    /// At frame + this.
    Stack(i32),
}

impl Spot {
    fn register(register: Register, bytes: u8) -> Spot {
        Spot::at(SpotPlace::Register(register), bytes)
    }

    pub fn at(place: SpotPlace, bytes: u8) -> Spot {
        Spot { place, plus: None, bytes }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct LeaveSite {
    pub step: usize,
    pub told: Told,
    /// A result that is not above 0 ends the call too.
    pub is_last: bool,
}

/// Why there are none.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum NoLeave {
    /// The code was not understood to its end.
    Unknown,
    /// It ends by a jump to a function that is not known.
    UnknownTail,
    /// It never returns, or only with a failure.
    NoSuccess,
}

impl NoLeave {
    pub fn text(self) -> &'static str {
        match self {
            NoLeave::Unknown => "its code is not understood to the end",
            NoLeave::UnknownTail => "it ends by a jump to a function that is not known",
            NoLeave::NoSuccess => "it never succeeds",
        }
    }
}

/// What is wanted of a result.
#[derive(Clone, Copy)]
pub(crate) struct Wanted {
    /// So many bytes of rax.
    pub bytes: u8,
    /// 0 is success: then a way back with a fixed 0 may not be left out, as failures may.
    pub is_zero_success: bool,
    pub busy: Busy,
    /// Whether called functions give back some registers as they were: not in Go.
    pub do_calls_keep_registers: bool,
}

/// Until when a place is too early, though the result is known: what it counts must be in place.
#[derive(Clone, Copy)]
pub(crate) enum Busy {
    /// As long as anything is called or stored.
    Always,
    /// As long as this function is called: it is the one that copies the payload.
    Until(u64),
    /// Never: the payload was there from the beginning.
    Never,
}

/// The leave places of a function, without those of the functions that it jumps to as its last act (`tails`): they
/// have the same frame. Return instructions are among the places where there is
/// nothing cheaper.
pub(crate) fn leave(function: &Function, wanted: Wanted) -> Result<Vec<LeaveSite>, NoLeave> {
    if !function.is_understood() {
        return Err(NoLeave::Unknown);
    }
    let flow = flow::Flow::of(function, wanted);
    let sites = cut::cut(function, &flow, wanted);
    if sites.is_empty() && tails(function).next().is_none() {
        return Err(NoLeave::NoSuccess);
    }
    Ok(sites)
}

/// Indexes of the return instructions.
pub(crate) fn returns(function: &Function) -> impl Iterator<Item = usize> + '_ {
    let steps = function.steps.iter().enumerate();
    steps.filter(|(_, step)| step.exit == Some(Exit::Return)).map(|(at, _)| at)
}

/// Indexes of the jumps to other functions that end the function.
pub(crate) fn tails(function: &Function) -> impl Iterator<Item = usize> + '_ {
    let steps = function.steps.iter().enumerate();
    steps.filter(|(_, step)| matches!(step.exit, Some(Exit::Tail(_) | Exit::TailIndirect))).map(|(at, _)| at)
}
