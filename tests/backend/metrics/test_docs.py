"""docs/metrics.md names what there is."""

from __future__ import annotations

from pathlib import Path

from rover.backend.metrics import METRICS
from rover.backend.metrics.query import POINTS
from rover.backend.store.metrics.entities import BOUNDS
from rover.backend.store.metrics.kinds import Kind

TEXT = (Path(__file__).parents[3] / "docs" / "metrics.md").read_text()
PREFIXES = {
    "Service": "kubernetes_service_",
    "ServiceInstance": "kubernetes_service_instance_",
    "Endpoint": "kubernetes_service_endpoint_",
    "ServiceRelation": "kubernetes_service_relation_",
    "ServiceInstanceRelation": "kubernetes_service_instance_relation_",
}


def test_every_metric_is_described() -> None:
    """By what stands behind its prefix, and behind the side of a relation."""
    for metric in METRICS.values():
        suffix = metric.name.removeprefix(PREFIXES[metric.scope])
        bare = suffix.removeprefix("client_").removeprefix("server_")
        assert f"`{suffix}`" in TEXT or f"`{bare}`" in TEXT, metric.name


def test_bounds_are_those_of_the_code() -> None:
    """Figures in the text."""
    assert f"the first {BOUNDS[Kind.SERVICE]} services, {BOUNDS[Kind.ADDRESS]} addresses" in TEXT
    assert f"{BOUNDS[Kind.INSTANCE]} instances and {BOUNDS[Kind.ENDPOINT]} endpoints" in TEXT
    assert f"{POINTS:,} points".replace(",", " ") in TEXT
