//! From a function that is known by its meaning to the sites that tell its calls: the step from code to `Site`.

use std::collections::BTreeSet;

use iced_x86::Register;

use crate::code::{
    dwarf_number, enter, leave, returns, tails, Busy, Code, Exit, Failing, Function, LeaveSite, NoLeave, Spot,
    SpotPlace, Step, Told, Wanted, C_ARGUMENTS, GO_ARGUMENTS,
};
use crate::library::{Action, Arguments, Convention, Outcome, Place, Site};

/// So many functions may jump to one another as last act (`ssl_write_internal`, `ssl3_write`, `ssl3_write_bytes`).
const LONGEST_CHAIN: usize = 5;

/// What a function means.
#[derive(Clone, Copy)]
pub(crate) struct Call {
    pub name: &'static str,
    pub enter: Action,
    pub leave: Action,
    /// As the function is declared.
    pub arguments: Arguments,
    pub outcome: Outcome,
    pub result_bytes: u8,
    pub convention: Convention,
}

/// Where a jump through a pointer leads that is the last act of a function.
pub(crate) trait Resolve {
    /// All functions that it may be; none if that is not known.
    fn targets(&self, function: &Function, jump: &Step) -> Vec<u64>;
}

/// No pointer is resolved.
pub(crate) struct Unresolved;

impl Resolve for Unresolved {
    fn targets(&self, _: &Function, _: &Step) -> Vec<u64> {
        Vec::new()
    }
}

pub(crate) struct Sites<'a, 'b> {
    pub code: &'a Code<'b>,
}

impl Sites<'_, '_> {
    /// Enter and leave sites; return instructions are among them where there is nothing cheaper.
    pub fn of(&self, call: &Call, function: &Function, pointers: &dyn Resolve) -> Result<Vec<Site>, NoLeave> {
        let (mut sites, call) = self.begin(call, function);
        self.leave(&call, function, pointers, LONGEST_CHAIN, &mut sites)?;
        let has_leave = sites.iter().any(|site| site.action == call.leave && !is_failure(site));
        if has_leave {
            Ok(sites)
        } else {
            Err(NoLeave::NoSuccess)
        }
    }

    /// The same where it is known what is copied when. For Go: where the arguments are on the stack, so are the results,
    /// and only the returns are looked for.
    pub fn with_busy(&self, call: &Call, function: &Function, busy: Busy) -> Result<Vec<Site>, NoLeave> {
        let mut sites: Vec<Site> = self.enter(call, function).into_iter().collect();
        let result_words = if call.arguments.buffer.is_some() { 4 } else { 1 };
        let on_stack = Spot::at(SpotPlace::Stack(8 + 8 * result_words), call.result_bytes);
        let places = match call.convention {
            Convention::GoStack => {
                returns(function).map(|step| LeaveSite { step, told: Told::Result(on_stack), is_last: true }).collect()
            }
            Convention::C | Convention::GoRegisters => leave(function, self.wanted(call, busy))?,
        };
        for place in &places {
            add(&mut sites, self.leave_site(call, function, place).ok_or(NoLeave::Unknown)?);
        }
        Ok(sites)
    }

    fn wanted(&self, call: &Call, busy: Busy) -> Wanted {
        Wanted {
            bytes: call.result_bytes,
            is_zero_success: call.outcome == Outcome::ZeroIsOk,
            busy,
            do_calls_keep_registers: call.convention == Convention::C,
        }
    }

    /// The same, if the kernel emulates all of them.
    pub fn cheap(&self, call: &Call, function: &Function, pointers: &dyn Resolve) -> Option<Vec<Site>> {
        self.of(call, function, pointers).ok().filter(|sites| are_cheap(sites))
    }

    /// Enter site, and a return probe.
    pub fn returning(&self, call: &Call, function: &Function) -> Vec<Site> {
        let (mut sites, call) = self.begin(call, function);
        let result = Spot::at(SpotPlace::Register(Register::RAX), call.result_bytes);
        let place = LeaveSite { step: function.entry, told: Told::Result(result), is_last: true };
        if let Some(site) = self.leave_site(&call, function, &place) {
            // The return address has been taken off the stack when a return probe fires.
            sites.push(Site { is_return_probe: true, frame_offset: Some(-8), ..site });
        }
        sites
    }

    /// The enter site, and the call with its outcome as seen from there: an argument may have been moved on.
    fn begin(&self, call: &Call, function: &Function) -> (Vec<Site>, Call) {
        let Some(site) = self.enter(call, function) else { return (Vec::new(), *call) };
        let outcome = match (call.outcome, site.arguments.count) {
            (Outcome::OkAndCountAt { .. }, Some(argument)) => Outcome::OkAndCountAt { argument },
            (outcome, _) => outcome,
        };
        (vec![Site { outcome, ..site }], Call { outcome, ..*call })
    }

    /// A site at the beginning of the call only.
    pub fn enter(&self, call: &Call, function: &Function) -> Option<Site> {
        let Arguments { session, buffer, length, count } = call.arguments;
        let wanted = [session, buffer, length, count];
        let order: &[Register] = match call.convention {
            Convention::C => &C_ARGUMENTS,
            Convention::GoRegisters => &GO_ARGUMENTS,
            Convention::GoStack => &[],
        };
        let registers: Vec<Register> =
            wanted.iter().flatten().filter_map(|&at| order.get(usize::from(at)).copied()).collect();
        let place = enter(function, &registers);
        let mut places = place.places.iter();
        let [session, buffer, length, count] = wanted.map(|at| {
            let Some(register) = at.and_then(|_| places.next()) else { return at };
            order.iter().position(|argument| argument == register).and_then(|at| u8::try_from(at).ok())
        });
        let arguments = Arguments { session, buffer, length, count };
        let site = self.site(call, function, place.step)?;
        Some(Site { action: call.enter, arguments, is_emulated: place.is_emulated, ..site })
    }

    fn leave(
        &self,
        call: &Call,
        function: &Function,
        pointers: &dyn Resolve,
        depth: usize,
        sites: &mut Vec<Site>,
    ) -> Result<(), NoLeave> {
        for place in &leave(function, self.wanted(call, Busy::Always))? {
            add(sites, self.leave_site(call, function, place).ok_or(NoLeave::Unknown)?);
        }
        for next in self.tails(function, pointers, depth)? {
            self.leave(call, &next, pointers, depth - 1, sites)?;
        }
        Ok(())
    }

    /// The functions that this one jumps to as its last act.
    fn tails(&self, function: &Function, pointers: &dyn Resolve, depth: usize) -> Result<Vec<Function>, NoLeave> {
        let mut targets = BTreeSet::new();
        for step in tails(function).filter_map(|at| function.steps.get(at)) {
            match step.exit {
                Some(Exit::Tail(target)) => targets.extend([self.code.through_stub(target)]),
                _ => targets.extend(pointers.targets(function, step)),
            }
            if targets.is_empty() || depth == 0 {
                return Err(NoLeave::UnknownTail);
            }
        }
        let next = targets.into_iter().map(|target| Function::decode(self.code, target, 0));
        next.collect::<Option<Vec<Function>>>().ok_or(NoLeave::UnknownTail)
    }

    fn leave_site(&self, call: &Call, function: &Function, place: &LeaveSite) -> Option<Site> {
        let (spot, outcome) = match place.told {
            Told::Result(spot) => (spot, call.outcome),
            Told::OnStack { test, count } if call.outcome == Outcome::CountInResult => {
                (test, Outcome::OkAndCountOnStack { offset: count })
            }
            Told::OnStack { .. } => return None,
            Told::FailedIf(spot, Failing::NotPositive) => (spot, Outcome::FailedIfNotPositive),
            Told::FailedIf(spot, Failing::Negative) => (spot, Outcome::FailedIfNegative),
            Told::FailedIf(spot, Failing::Zero) => (spot, Outcome::FailedIfZero),
            Told::Failed => (Spot::at(SpotPlace::Register(Register::RAX), call.result_bytes), Outcome::Failed),
        };
        let result = place_of(spot.place)?;
        let result_plus = match spot.plus {
            Some(plus) => Some(place_of(plus)?),
            None => None,
        };
        let site = self.site(call, function, place.step)?;
        let arguments = Arguments::default();
        let is_last = place.is_last;
        Some(Site {
            action: call.leave,
            result,
            result_plus,
            result_bytes: spot.bytes,
            outcome,
            arguments,
            is_last,
            ..site
        })
    }

    fn site(&self, call: &Call, function: &Function, step: usize) -> Option<Site> {
        let step = function.steps.get(step)?;
        let address = step.instruction.ip();
        Some(Site {
            action: call.enter,
            function: call.name,
            offset: self.code.image.offset_of(address)?,
            address,
            is_return_probe: false,
            is_emulated: step.is_emulated,
            convention: call.convention,
            outcome: call.outcome,
            arguments: call.arguments,
            result: Place::Register(0),
            result_plus: None,
            result_bytes: call.result_bytes,
            frame_offset: step.depth,
            is_last: true,
            bytes: self.code.bytes::<16>(address)?,
        })
    }
}

fn place_of(place: SpotPlace) -> Option<Place> {
    Some(match place {
        SpotPlace::Register(register) => Place::Register(dwarf_number(register)?),
        SpotPlace::Stack(offset) => Place::Stack(offset),
    })
}

/// Whether no leave site that a call with bytes passes is single-stepped.
pub(crate) fn are_cheap(sites: &[Site]) -> bool {
    !sites.iter().any(is_dear)
}

pub(crate) fn is_dear(site: &Site) -> bool {
    site.action.is_leave() && !site.is_emulated && site.outcome != Outcome::Failed
}

fn is_failure(site: &Site) -> bool {
    use Outcome::{Failed, FailedIfNegative, FailedIfNotPositive, FailedIfZero};
    matches!(site.outcome, Failed | FailedIfNotPositive | FailedIfNegative | FailedIfZero)
}

/// Two ways may lead to the same function.
fn add(sites: &mut Vec<Site>, site: Site) {
    if !sites.iter().any(|other| other.address == site.address && other.action == site.action) {
        sites.push(site);
    }
}
