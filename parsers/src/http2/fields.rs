//! The fields of one header block, gathered: of a head, an interim response or trailers.

use super::hpack::{self, Value};
use super::message::{Grpc, Head};
use super::names::{Known, Name};
use super::{Role, Text};
use crate::http1::KEPT_FIELDS;
use crate::limits::KeepHeaders;
use crate::trace::Candidates;

/// What is kept in place of a credential.
const MASK: &str = "*";

#[derive(Debug, Default)]
pub(super) struct BlockFields {
    method: Option<Text>,
    scheme: Option<Text>,
    authority: Option<Text>,
    host: Option<Text>,
    target: Option<Text>,
    protocol: Option<Text>,
    content_type: Option<Text>,
    pub status: Option<u16>,
    pub grpc_status: Option<u32>,
    pub kept: Vec<(Text, Text)>,
    trace: Option<Box<Candidates>>,
    /// Something is not known.
    pub is_partial: bool,
    /// Some pseudo-header field was read: this is no trailer section (RFC 9113 §8.1).
    pub has_pseudo: bool,
}

/// Fills [`BlockFields`].
pub(super) struct Reading<'a> {
    pub keep: &'a KeepHeaders,
    pub fields: &'a mut BlockFields,
}

impl hpack::Fields for Reading<'_> {
    #[inline]
    fn field(&mut self, name: Name, value: Value<'_>) {
        self.fields.known(name.known, value);
        if let Some((name, is_secret)) = name.kept.and_then(|position| self.keep.at(position)) {
            if self.fields.kept.len() < KEPT_FIELDS {
                self.fields.kept.push((Text::clone(name), if is_secret { MASK.into() } else { value.text() }));
            }
        }
    }

    fn unknown_field(&mut self) {
        self.fields.is_partial = true;
    }
}

impl BlockFields {
    #[inline]
    fn known(&mut self, known: Known, value: Value<'_>) {
        match known {
            Known::Method => self.pseudo(|fields| &mut fields.method, value),
            Known::Scheme => self.pseudo(|fields| &mut fields.scheme, value),
            Known::Authority => self.pseudo(|fields| &mut fields.authority, value),
            Known::Path => self.pseudo(|fields| &mut fields.target, value),
            Known::Protocol => self.pseudo(|fields| &mut fields.protocol, value),
            Known::Status => {
                self.has_pseudo = true;
                self.status = self.status.or_else(|| maybe_status(value.bytes()));
            }
            Known::Host => set_first(&mut self.host, value),
            Known::ContentType => set_first(&mut self.content_type, value),
            Known::GrpcStatus => self.grpc_status = self.grpc_status.or_else(|| maybe_number(value.bytes())),
            Known::Trace(field) => self.trace.get_or_insert_default().read(field, value.bytes()),
            Known::Other | Known::Unknown => {}
        }
    }

    #[inline]
    fn pseudo(&mut self, slot: impl Fn(&mut Self) -> &mut Option<Text>, value: Value<'_>) {
        self.has_pseudo = true;
        set_first(slot(self), value);
    }

    pub(super) fn is_interim(&self) -> bool {
        matches!(self.status, Some(100..=199))
    }

    /// As the head of a message; what depends on the frames is the caller's.
    pub(super) fn into_head(self, role: Role) -> Box<Head> {
        let is_request = role == Role::Request;
        Box::new(Head {
            method: self.method.filter(|_| is_request),
            scheme: self.scheme.filter(|_| is_request),
            authority: self.authority.or(self.host).filter(|_| is_request),
            target: self.target.filter(|_| is_request),
            protocol: self.protocol.filter(|_| is_request),
            status: self.status.filter(|_| !is_request),
            grpc: self.content_type.as_deref().and_then(Grpc::maybe),
            content_type: self.content_type,
            grpc_status: self.grpc_status,
            headers: self.kept,
            trace: self.trace.and_then(|candidates| candidates.best()),
            hpack_partial: self.is_partial,
            ..Head::default()
        })
    }
}

#[inline]
fn set_first(slot: &mut Option<Text>, value: Value<'_>) {
    if slot.is_none() {
        *slot = Some(value.text());
    }
}

/// Three digits (RFC 9110 §15).
fn maybe_status(value: &[u8]) -> Option<u16> {
    match *value {
        [a @ b'1'..=b'9', b @ b'0'..=b'9', c @ b'0'..=b'9'] => {
            Some(u16::from(a - b'0') * 100 + u16::from(b - b'0') * 10 + u16::from(c - b'0'))
        }
        _ => None,
    }
}

/// A gRPC status; codes have two digits so far.
pub(super) fn maybe_number(value: &[u8]) -> Option<u32> {
    if value.is_empty() || value.len() > 9 || !value.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(value.iter().fold(0, |number, digit| number * 10 + u32::from(digit - b'0')))
}
