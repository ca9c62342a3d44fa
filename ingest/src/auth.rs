//! The check of each call: the token, as OAP does it (equality, and PERMISSION_DENIED without a word; a changed file counts
//! from the next call), and how often its peer calls.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use rover_reporters::oap_stream::AUTHENTICATION;
use rover_reporters::token::Token;
use tonic::service::Interceptor;
use tonic::{Request, Status};

use crate::limits::{Act, Limits};
use crate::stats::Counters;

#[derive(Clone, Debug)]
pub struct CallCheck {
    pub token: Token,
    pub limits: Arc<Limits>,
    pub counters: Arc<Counters>,
}

impl CallCheck {
    /// A peer that is not known is nobody's: all of them are one.
    fn limit(&self, request: &Request<()>, act: Act) -> Result<(), Status> {
        let peer = request.remote_addr().map_or(IpAddr::from([0; 4]), |peer| peer.ip());
        if self.limits.take(peer, act, Instant::now()) {
            return Ok(());
        }
        Counters::add(&self.counters.limited_calls);
        let what = if act == Act::WrongToken { "too many wrong tokens" } else { "too many calls" };
        Err(Status::resource_exhausted(format!("{what} from this address")))
    }
}

impl Interceptor for CallCheck {
    fn call(&mut self, request: Request<()>) -> Result<Request<()>, Status> {
        self.limit(&request, Act::Call)?;
        if !self.token.is_wanted() {
            return Ok(request);
        }
        let given = request.metadata().get(AUTHENTICATION).map(|value| value.as_bytes()).unwrap_or_default();
        if self.token.current().is_some_and(|token| is_equal(given, token.as_bytes())) {
            return Ok(request);
        }
        self.limit(&request, Act::WrongToken)?;
        Counters::add(&self.counters.denied);
        Err(Status::permission_denied(""))
    }
}

/// Takes the same time wherever the first difference is.
fn is_equal(one: &[u8], other: &[u8]) -> bool {
    one.len() == other.len() && one.iter().zip(other).fold(0, |difference, (a, b)| difference | (a ^ b)) == 0
}
