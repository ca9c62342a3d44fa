"""Names of services from templates."""

from __future__ import annotations

import pytest

from rover.config.tree import SERVICE_TEMPLATES
from rover.identity import Container, Place, Pod, Who, maybe_filled, maybe_service

CONTAINER = Container("ab" * 32, "main", "containerd", "shop/cart:1", {"tier": "front"})
POD = Pod(
    "u", "shop", "cart-7d9-x", "node-1", {"app": "cart"}, {"team": "a"}, "cart", "Deployment", ("cart", "cart-all")
)
IN_POD = Who(Place(CONTAINER.id, "containerd", "u"), CONTAINER, POD)
IN_UNIT = Who(Place(unit="nginx.service"))


def service(who: Who, executable: str | None = "nginx") -> str | None:
    return maybe_service(SERVICE_TEMPLATES, who, executable)


def test_a_pod_is_named_by_its_service():
    assert service(IN_POD) == "cart.shop"


def test_a_pod_without_a_service_is_named_by_its_workload_and_without_that_by_itself():
    pod = Pod("u", "shop", "cart-7d9-x", workload="cart", workload_kind="Deployment")
    assert service(Who(IN_POD.place, CONTAINER, pod)) == "cart.shop"
    assert service(Who(IN_POD.place, CONTAINER, Pod("u", "shop", "alone"))) == "alone.shop"


def test_a_container_is_named_by_its_compose_service_or_itself():
    composed = Container("ab" * 32, "shop-cart-1", labels={"com.docker.compose.service": "cart"})
    assert service(Who(IN_POD.place, composed)) == "cart"
    assert service(Who(IN_POD.place, CONTAINER)) == "main"


def test_on_a_plain_host_the_unit_names_it_else_the_executable():
    assert service(IN_UNIT) == "nginx"
    assert service(Who(), "python3") == "python3"
    assert service(Who(), None) is None


def test_a_container_of_which_only_the_id_is_known_does_not_lend_that():
    assert service(Who(IN_POD.place, Container("ab" * 32)), "httpd") == "httpd"


@pytest.mark.parametrize(
    ("template", "name"),
    [
        ("{label:app}", "cart"),
        ("{label:tier}", "front"),
        ("{annotation:team}-{namespace}", "a-shop"),
        ("{image}", "shop/cart:1"),
        ("{node}/{pod}/{container}", "node-1/cart-7d9-x/main"),
        ("fixed", "fixed"),
        ("{label:none}", None),
        ("{unit}", None),
        ("{service}.{unit}", None),
    ],
)
def test_a_template_is_filled_in_or_not_used(template, name):
    assert maybe_filled(template, IN_POD, "nginx") == name
