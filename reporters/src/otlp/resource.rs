//! Who an exchange belongs to, as a resource: encoded once for each identity.

use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};

use super::attributes::Attributes;
use crate::record::{Identity, Kubernetes};

/// Identities of which the resource is kept; above it all are forgotten, which costs no more than encoding them anew.
const KEPT: usize = 4096;

/// `Resource.attributes`
const ATTRIBUTES: u32 = 1;

/// Kinds of workloads and the attribute with their name.
const WORKLOADS: [(&str, &str); 6] = [
    ("Deployment", "k8s.deployment.name"),
    ("StatefulSet", "k8s.statefulset.name"),
    ("DaemonSet", "k8s.daemonset.name"),
    ("ReplicaSet", "k8s.replicaset.name"),
    ("Job", "k8s.job.name"),
    ("CronJob", "k8s.cronjob.name"),
];

/// An encoded `Resource`, the same allocation for the same content.
pub type Resource = Arc<[u8]>;

/// Resources by identity. An identity is known by its address, as long as it is held here.
#[derive(Debug)]
pub struct Resources {
    host: String,
    by_address: FxHashMap<usize, (Arc<Identity>, Resource)>,
    all: FxHashSet<Resource>,
    nobody: Resource,
}

impl Resources {
    /// `host`: name of this node.
    pub fn new(host: String) -> Resources {
        let nobody = encode(&Identity::default(), &host).into();
        Resources { host, by_address: FxHashMap::default(), all: FxHashSet::default(), nobody }
    }

    pub fn of(&mut self, identity: Option<&Arc<Identity>>) -> Resource {
        let Some(identity) = identity else { return Arc::clone(&self.nobody) };
        let address = Arc::as_ptr(identity) as usize;
        if let Some((_, resource)) = self.by_address.get(&address) {
            return Arc::clone(resource);
        }
        if self.by_address.len() >= KEPT {
            self.by_address.clear();
            self.all.clear();
        }
        let content = encode(identity, &self.host);
        let resource = self.all.get(content.as_slice()).cloned().unwrap_or_else(|| content.into());
        self.all.insert(Arc::clone(&resource));
        self.by_address.insert(address, (Arc::clone(identity), Arc::clone(&resource)));
        resource
    }
}

/// Nothing that differs from process to process of one service instance: series of metrics belong to resources.
fn encode(identity: &Identity, host: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    let mut attributes = Attributes::new(&mut out, ATTRIBUTES);
    let process = identity.process.as_deref();
    match (&identity.service, process) {
        (Some(service), _) => attributes.text("service.name", service),
        // What the conventions want where nobody gave a name.
        (None, Some(process)) => attributes.text("service.name", &format!("unknown_service:{process}")),
        (None, None) => attributes.text("service.name", "unknown_service"),
    }
    attributes.maybe_text("service.instance.id", identity.instance.as_deref());
    attributes.text("host.name", host);
    attributes.maybe_text("rover.systemd.unit", identity.unit.as_deref());
    if let Some(container) = &identity.container {
        attributes.text("container.id", &container.id);
        attributes.maybe_text("container.name", container.name.as_deref());
        attributes.maybe_text("container.runtime", container.runtime.as_deref());
        attributes.maybe_text("container.image.name", container.image.as_deref());
    }
    if let Some(kubernetes) = &identity.kubernetes {
        push_kubernetes(&mut attributes, kubernetes);
    }
    out
}

fn push_kubernetes(attributes: &mut Attributes<'_>, kubernetes: &Kubernetes) {
    attributes.maybe_text("k8s.namespace.name", kubernetes.namespace.as_deref());
    attributes.maybe_text("k8s.pod.name", kubernetes.pod.as_deref());
    attributes.maybe_text("k8s.node.name", kubernetes.node.as_deref());
    let kind = kubernetes.workload_kind.as_deref();
    if let Some((_, key)) = WORKLOADS.iter().find(|(known, _)| Some(*known) == kind) {
        attributes.maybe_text(key, kubernetes.workload.as_deref());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(service: &str) -> Arc<Identity> {
        Arc::new(Identity { service: Some(service.to_owned()), ..Identity::default() })
    }

    #[test]
    fn equal_identities_share_a_resource() {
        let mut resources = Resources::new("node-a".to_owned());
        let (first, second, other) = (named("shop"), named("shop"), named("cart"));
        let resource = resources.of(Some(&first));
        assert!(Arc::ptr_eq(&resource, &resources.of(Some(&second))));
        assert!(!Arc::ptr_eq(&resource, &resources.of(Some(&other))));
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let mut resources = Resources::new("node-a".to_owned());
        for number in 0..3 * KEPT {
            resources.of(Some(&named(&number.to_string())));
        }
        assert!(resources.by_address.len() <= KEPT && resources.all.len() <= KEPT);
    }
}
