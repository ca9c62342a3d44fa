//! The token check, as OAP does it: equality, and PERMISSION_DENIED without a word. A changed file counts from the next call.

use std::sync::Arc;

use rover_reporters::oap_stream::AUTHENTICATION;
use rover_reporters::token::Token;
use tonic::service::Interceptor;
use tonic::{Request, Status};

use crate::stats::Counters;

#[derive(Clone, Debug)]
pub struct TokenCheck {
    token: Token,
    counters: Arc<Counters>,
}

impl TokenCheck {
    pub fn new(token: Token, counters: Arc<Counters>) -> TokenCheck {
        TokenCheck { token, counters }
    }
}

impl Interceptor for TokenCheck {
    fn call(&mut self, request: Request<()>) -> Result<Request<()>, Status> {
        if !self.token.is_wanted() {
            return Ok(request);
        }
        let given = request.metadata().get(AUTHENTICATION).map(|value| value.as_bytes()).unwrap_or_default();
        if self.token.current().is_some_and(|token| is_equal(given, token.as_bytes())) {
            return Ok(request);
        }
        Counters::add(&self.counters.denied);
        Err(Status::permission_denied(""))
    }
}

/// Takes the same time wherever the first difference is.
fn is_equal(one: &[u8], other: &[u8]) -> bool {
    one.len() == other.len() && one.iter().zip(other).fold(0, |difference, (a, b)| difference | (a ^ b)) == 0
}
