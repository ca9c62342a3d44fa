"""Who names processes and addresses: container runtimes and the Kubernetes API, as far as they are there."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from rover.config import Config, ConfigError
from rover.identity import Container, Directory, Pod, Who, maybe_service
from rover.identity.runtimes import Runtimes

if TYPE_CHECKING:
    from rover.kube import Cluster
    from rover.kube.addresses import Change, Holder

_LATE_NS = 100_000_000
"""How much later than it happens a change of an address is told, at least: it had the new name by then."""

NamedAddress = tuple[str, int, int, str | None]
"""Address, port or 0, since when since boot, identity."""

log = logging.getLogger(__name__)


class Naming:
    """What a `Directory` asks, and what names addresses, from start to stop."""

    def __init__(self, config: Config, node: str, name_addresses: Callable[[list[NamedAddress]], None]) -> None:
        """Raises ConfigError if Kubernetes is wanted and cannot be had."""
        self._templates = config.identity.service
        self._name_addresses = name_addresses
        self._runtimes = Runtimes(config.containers.sockets)
        self.cluster = self._maybe_cluster(config, node)
        self.directory = Directory(self._runtimes, self.cluster)

    def start(self) -> None:
        """Begin to answer."""
        self._runtimes.start()
        if self.cluster is not None:
            self.cluster.start()

    def stop(self) -> None:
        """Let go of sockets and threads."""
        self._runtimes.stop()
        if self.cluster is not None:
            self.cluster.stop()

    def _maybe_cluster(self, config: Config, node: str) -> Cluster | None:
        settings = config.kubernetes
        if settings.enabled == "off":
            return None
        if settings.enabled == "auto" and settings.kubeconfig is None and not _is_in_pod():
            return None
        from rover.kube import Cluster, KubernetesError, connect

        try:
            return Cluster(connect(settings.kubeconfig), node, self._tell)
        except (KubernetesError, ImportError) as error:
            raise ConfigError(str(error), key="kubernetes.enabled", origin="kubernetes") from error

    def _tell(self, changes: Sequence[Change]) -> None:
        # Who had an address when rover began had it before.
        is_first = self.cluster is None or not self.cluster.is_synced
        since_ns = 0 if is_first else time.clock_gettime_ns(time.CLOCK_BOOTTIME) - _LATE_NS
        self._name_addresses(
            [
                (address, port, since_ns, None if holder is None else self._identity(holder))
                for address, port, holder in changes
            ]
        )

    def _identity(self, holder: Holder) -> str:
        kubernetes = {"namespace": holder.namespace, "pod": holder.pod, "node": holder.node}
        stated = {
            "service": _service_of(holder, self._templates),
            "instance": holder.pod or (holder.node if holder.service is None else None),
            "kubernetes": {key: value for key, value in kubernetes.items() if value is not None},
        }
        return json.dumps({key: value for key, value in stated.items() if value}, ensure_ascii=False)


def _service_of(holder: Holder, templates: Sequence[str]) -> str | None:
    if holder.service is None or holder.namespace is None:
        return None
    pod = Pod("", holder.namespace, holder.pod or "", holder.node, services=(holder.service,))
    return maybe_service(templates, Who(container=Container(""), pod=pod), None)


def _is_in_pod() -> bool:
    from rover.kube.api import IN_CLUSTER_TOKEN

    return IN_CLUSTER_TOKEN.exists()
