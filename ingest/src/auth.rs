//! The token check, as OAP does it: equality, and PERMISSION_DENIED without a word.

use std::sync::Arc;

use rover_reporters::oap_stream::AUTHENTICATION;
use tonic::service::Interceptor;
use tonic::{Request, Status};

use crate::stats::Counters;

#[derive(Clone, Debug)]
pub struct TokenCheck {
    token: Option<Arc<str>>,
    counters: Arc<Counters>,
}

impl TokenCheck {
    pub fn new(token: Option<&str>, counters: Arc<Counters>) -> TokenCheck {
        TokenCheck { token: token.map(Arc::from), counters }
    }
}

impl Interceptor for TokenCheck {
    fn call(&mut self, request: Request<()>) -> Result<Request<()>, Status> {
        let Some(token) = &self.token else { return Ok(request) };
        let given = request.metadata().get(AUTHENTICATION).map(|value| value.as_bytes()).unwrap_or_default();
        if is_equal(given, token.as_bytes()) {
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
