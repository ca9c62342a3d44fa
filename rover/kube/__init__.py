"""What the Kubernetes API says of this node's pods and of the cluster's addresses.

Public surface: a `Cluster` answers about pods of this node and tells names of addresses as they change; `connect` makes
the `Api` that it asks. Nothing of this runs without Kubernetes."""

from rover.kube.api import Api, KubernetesError, connect
from rover.kube.cluster import Cluster

__all__ = ["Api", "Cluster", "KubernetesError", "connect"]
