"""What the rules decide."""

from __future__ import annotations

import os
import pwd

import pytest

from rover.config import ConfigError, Rule
from rover.processes import Rules
from rover.processes.procfs import Process, ProcFs
from rover.processes.rules import Ports

NOT_YET = Ports(is_final=False)
NONE = Ports()


class Facts(ProcFs):
    """A /proc with one process whose facts are given."""

    def __init__(self, cmdline: str | None, user_id: int | None) -> None:
        super().__init__("/nonexistent")
        self.cmdline, self.user_id = cmdline, user_id

    def maybe_cmdline(self, pid: int) -> str | None:
        return self.cmdline

    def maybe_user_id(self, pid: int) -> int | None:
        return self.user_id


def a_process(**facts) -> Process:
    known = {"executable": "/usr/sbin/nginx", "cmdline": "nginx -g daemon off;", "user_id": 33, **facts}
    source = Facts(known.pop("cmdline"), known.pop("user_id"))
    defaults = {"pid": 100, "parent": 1, "comm": "nginx", "start_ns": 0, "is_kernel_thread": False, "source": source}
    return Process(**{**defaults, **known})


def verdict(include=(), exclude=(), ports: Ports = NONE, **facts) -> bool | None:
    found = Rules(include, exclude).maybe_verdict(a_process(**facts), ports)
    return None if found is None else found.is_watched


def test_without_rules_everything_is_watched_but_kernel_threads():
    assert verdict() is True
    assert verdict(executable=None, is_kernel_thread=True) is False
    assert verdict([Rule(pid=100)], executable=None, is_kernel_thread=True) is True


@pytest.mark.parametrize(
    ("rule", "is_match"),
    [
        (Rule(exe="nginx"), True),
        (Rule(exe="ngin?"), True),
        (Rule(exe="[m-o]ginx"), True),
        (Rule(exe="Nginx"), False),
        (Rule(exe="ngin"), False),
        (Rule(exe="/usr/sbin/nginx"), True),
        (Rule(exe="/usr/*/nginx"), True),
        (Rule(exe="*/nginx"), True),
        (Rule(exe="/usr/bin/nginx"), False),
        (Rule(cmdline="nginx*"), True),
        (Rule(cmdline="*daemon off*"), True),
        (Rule(cmdline="daemon off"), False),
        (Rule(pid=100), True),
        (Rule(pid=10), False),
        (Rule(user="33"), True),
        (Rule(user="34"), False),
        (Rule(exe="nginx", user="33", cmdline="nginx *"), True),
        (Rule(exe="nginx", user="34"), False),
        (Rule(exe="apache2", user="33"), False),
    ],
)
def test_a_rule_matches_when_all_that_it_states_holds(rule, is_match):
    assert verdict(include=[rule]) is is_match
    assert verdict(exclude=[rule]) is not is_match


def test_one_of_several_including_rules_is_enough():
    assert verdict(include=[Rule(exe="apache2"), Rule(exe="nginx")]) is True
    assert verdict(include=[Rule(exe="apache2"), Rule(exe="caddy")]) is False


def test_excluding_rules_come_before_including_ones():
    assert verdict(include=[Rule(exe="nginx")], exclude=[Rule(user="33")]) is False


def test_a_line_break_in_a_command_line_does_not_hide_what_follows():
    assert verdict(include=[Rule(cmdline="sh -c*server")], cmdline="sh -c a\nserver") is True


def test_a_user_is_named_or_numbered():
    name = pwd.getpwuid(os.geteuid()).pw_name
    assert verdict(include=[Rule(user=name)], user_id=os.geteuid()) is True


def test_a_user_that_does_not_exist_is_a_configuration_error():
    with pytest.raises(ConfigError, match=r"watch\.exclude: a rule names the user no-such-user"):
        Rules([], [Rule(user="no-such-user")])


def test_a_port_is_awaited_until_it_is_final():
    include = [Rule(port=80)]
    assert verdict(include, ports=NOT_YET) is None
    assert verdict(include, ports=NONE) is False
    assert verdict(include, ports=Ports(frozenset({80}), is_final=False)) is True
    assert verdict(include, ports=Ports(frozenset({81}), is_final=False)) is None


def test_an_excluded_port_is_awaited_too_so_that_nothing_is_reported_before():
    exclude = [Rule(port=80)]
    assert verdict(exclude=exclude, ports=NOT_YET) is None
    assert verdict(exclude=exclude, ports=NONE) is True
    assert verdict(exclude=exclude, ports=Ports(frozenset({80}), is_final=False)) is False


def test_listening_on_an_included_port_does_not_end_the_wait_for_an_excluded_one():
    ports = Ports(frozenset({80}), is_final=False)
    assert verdict([Rule(port=80)], [Rule(port=9000)], ports=ports) is None


def test_a_port_is_not_awaited_when_the_rest_of_the_rule_does_not_hold():
    assert verdict([Rule(exe="apache2", port=80)], ports=NOT_YET) is False
    assert verdict(exclude=[Rule(exe="apache2", port=80)], ports=NOT_YET) is True
    assert verdict([Rule(exe="nginx"), Rule(port=80)], ports=NOT_YET) is True


def test_what_might_be_excluded_but_can_no_longer_be_asked_is_not_watched():
    """Nothing of an excluded process is ever reported."""
    assert verdict(exclude=[Rule(cmdline="*secret*")], cmdline=None) is False
    assert verdict(exclude=[Rule(user="0")], user_id=None) is False
    assert verdict(exclude=[Rule(exe="curl")], executable=None) is False
    assert verdict(exclude=[Rule(exe="apache2", cmdline="*secret*")], cmdline=None) is True


def test_what_might_be_included_but_can_no_longer_be_asked_is_not_watched():
    assert verdict([Rule(cmdline="*server*")], cmdline=None) is False
    assert verdict([Rule(cmdline="*server*"), Rule(exe="nginx")], cmdline=None) is True


def test_a_child_has_its_parents_verdict_unless_rules_name_pids():
    assert Rules([Rule(exe="a", user="0")], [Rule(port=1)]).is_inherited
    assert not Rules([], [Rule(pid=1)]).is_inherited
