"""Rules in their order: the first that matches decides, the first that names names."""

from __future__ import annotations

import pytest

from rover.config import Rule, RuleLine, RulesFile
from rover.identity import NOBODY, Container, Place, Pod, Who
from rover.processes import Rules
from rover.processes.procfs import Process
from rover.processes.rules import Ports, Verdict

ID = "ab" * 32
PLACE = Place(ID, "containerd", "u")
CONTAINER = Container(ID, "main", "containerd", "shop/cart:1", {"tier": "front"})
POD = Pod(
    "u",
    "shop",
    "cart-7d9-x",
    "node-1",
    {"app": "cart"},
    {"team": "a"},
    "cart",
    "Deployment",
    ("cart",),
    {ID: CONTAINER},
)
IN_POD = Who(PLACE, CONTAINER, POD)
AWAITED = Who(PLACE, Container(ID), is_final=False)
NAMELESS = Who(PLACE, Container(ID))


def a_process(place: Place | None = PLACE) -> Process:
    return Process(100, 1, "cart", 0, is_kernel_thread=False, executable="/usr/bin/cart", told_place=place)


def verdict(*lines: RuleLine, who: Who = IN_POD, process: Process | None = None, **more) -> Verdict | None:
    rules = Rules(more.pop("include", ()), more.pop("exclude", ()), RulesFile(lines, more.pop("is_watched_else", True)))
    return rules.maybe_verdict(process or a_process(who.place), Ports(), who)


def include(service: str | None = None, **stated) -> RuleLine:
    return RuleLine("include", Rule(**stated), service, "rules.yaml:1")


def exclude(**stated) -> RuleLine:
    return RuleLine("exclude", Rule(**stated), None, "rules.yaml:2")


def name(service: str, **stated) -> RuleLine:
    return RuleLine("name", Rule(**stated), service, "rules.yaml:3")


def test_the_first_rule_that_matches_decides_and_is_told():
    assert verdict(include(exe="cart"), exclude(namespace="shop")) == Verdict(True, "rules.yaml:1 {exe: cart}")
    assert verdict(exclude(namespace="shop"), include(exe="cart")) == Verdict(False, "rules.yaml:2 {namespace: shop}")


def test_excluding_keys_come_before_the_file_and_including_ones_after_it():
    assert verdict(include(exe="cart"), exclude=[Rule(exe="cart")]).rule == "watch.exclude {exe: cart}"
    assert verdict(exclude(exe="cart"), include=[Rule(exe="cart")]).rule == "rules.yaml:2 {exe: cart}"


def test_whom_no_rule_matches_is_watched_unless_something_is_included_or_the_file_says_otherwise():
    assert verdict(exclude(exe="curl")) == Verdict(True, "no rule")
    assert verdict(include(exe="curl"), is_watched_else=False) == Verdict(False, "no rule includes it")
    assert verdict(include=[Rule(exe="curl")]) == Verdict(False, "no rule includes it")


def test_a_rule_that_includes_or_names_gives_the_service():
    assert verdict(include("shop", exe="cart")).service == "shop"
    assert verdict(name("front", pod_label=(("app", "cart"),)), include("late", exe="cart")) == Verdict(
        True, "rules.yaml:1 {exe: cart}", "front"
    )
    assert verdict(name("front", exe="curl"), include("late", exe="cart")).service == "late"
    assert verdict(name("front", exe="cart"), exclude(exe="cart")).service is None


@pytest.mark.parametrize(
    ("stated", "is_match"),
    [
        ({"container": "*"}, True),
        ({"container": "ma*"}, True),
        ({"container": "side*"}, False),
        ({"image": "shop/*"}, True),
        ({"container_label": (("tier", "f*"),)}, True),
        ({"container_label": (("tier", "f*"), ("none", "*"))}, False),
        ({"namespace": "shop"}, True),
        ({"namespace": "kube-*"}, False),
        ({"workload": "cart"}, True),
        ({"workload": "Deployment/c*"}, True),
        ({"workload": "DaemonSet/cart"}, False),
        ({"pod": "cart-*"}, True),
        ({"pod_label": (("app", "cart"),)}, True),
        ({"pod_annotation": (("team", "b"),)}, False),
        ({"unit": "*"}, False),
        ({"namespace": "shop", "exe": "curl"}, False),
    ],
)
def test_rules_match_by_container_and_pod(stated, is_match):
    assert verdict(exclude(**stated)).is_watched is not is_match


def test_rules_match_by_unit():
    who = Who(Place(unit="nginx@a.service"))
    assert verdict(exclude(unit="nginx@*.service"), who=who).is_watched is False
    assert verdict(exclude(unit="nginx.service"), who=who).is_watched is True


def test_a_process_outside_containers_has_no_names_to_wait_for():
    for stated in ({"namespace": "shop"}, {"image": "*"}, {"container": "*"}, {"pod_label": (("a", "*"),)}):
        assert verdict(exclude(**stated), who=NOBODY).is_watched is True


def test_names_are_awaited_while_they_may_decide_otherwise():
    assert verdict(exclude(namespace="shop"), who=AWAITED) is None
    assert verdict(include(namespace="shop"), is_watched_else=False, who=AWAITED) is None
    assert verdict(include(namespace="shop"), who=AWAITED).is_watched is True
    assert verdict(exclude(exe="cart"), include(namespace="shop"), who=AWAITED).is_watched is False
    assert verdict(name("front", namespace="shop"), who=AWAITED) is None


def test_names_that_never_came_match_nothing():
    assert verdict(exclude(namespace="shop"), who=NAMELESS).is_watched is True
    assert verdict(include(namespace="shop"), is_watched_else=False, who=NAMELESS).is_watched is False


def test_a_process_whose_place_was_never_read_might_be_excluded_and_is_not_watched():
    process = a_process(None)
    assert verdict(exclude(container="*"), process=process, who=NOBODY).is_watched is False
    assert verdict(exclude(unit="*"), process=process, who=NOBODY).is_watched is False
    assert verdict(include(unit="*"), is_watched_else=False, process=process, who=NOBODY).is_watched is False
