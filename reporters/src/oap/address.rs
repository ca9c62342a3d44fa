//! An end of a connection: by name where its service is known, else by address.

use serde::Deserialize;

use crate::record::{Endpoint, Identity};
use crate::wire::{push_integer, push_message, push_text};

/// How an end is written whose service is not known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UnknownEnd {
    /// As an IP address, which OAP looks up in Kubernetes. An OAP without a Kubernetes API fails on each such
    /// message, some versions for many seconds.
    #[default]
    Ip,
    /// As a service whose name is the address: for an OAP that watches plain hosts.
    Name,
}

/// Whether the service of the end is known.
pub fn has_name(endpoint: &Endpoint) -> bool {
    known_service(endpoint).is_some()
}

fn known_service(endpoint: &Endpoint) -> Option<(&Identity, &str)> {
    let identity = endpoint.identity.as_deref()?;
    let service = identity.service.as_deref().filter(|service| !service.is_empty())?;
    Some((identity, service))
}

/// Appends the fields of a `ConnectionAddress`.
pub fn push_address(out: &mut Vec<u8>, endpoint: &Endpoint, unknown_end: UnknownEnd) {
    let port = u64::from(endpoint.port);
    if let Some((identity, service)) = known_service(endpoint) {
        let pod = identity.kubernetes.as_ref().and_then(|kubernetes| kubernetes.pod.as_deref());
        let container = identity.container.as_ref().and_then(|container| container.name.as_deref());
        push_message(out, 1, |out| {
            push_text(out, 1, service);
            push_text(out, 2, identity.instance.as_deref().or(pod).unwrap_or_default());
            push_text(out, 3, container.unwrap_or_default());
            push_text(out, 4, identity.process.as_deref().unwrap_or_default());
            push_integer(out, 5, port);
        });
        return;
    }
    let mut text = Vec::with_capacity(40);
    crate::json::push_address(&mut text, endpoint.address);
    // An address is ASCII.
    let address = std::str::from_utf8(&text).unwrap_or_default();
    match unknown_end {
        UnknownEnd::Ip => push_message(out, 2, |out| {
            push_text(out, 1, address);
            push_integer(out, 2, port);
        }),
        UnknownEnd::Name => push_message(out, 1, |out| {
            push_text(out, 1, address);
            push_integer(out, 5, port);
        }),
    }
}
