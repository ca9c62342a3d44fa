"""The configuration in the words of the engine."""

from __future__ import annotations

import json

import pytest

from rover._engine import Engine
from rover.config import ConfigError, load
from rover.daemon.options import engine_options, oap_options, own_ports


def configured(**flags):
    return load(flags={key.replace("__", "."): (value, "--flag") for key, value in flags.items()}).config


def test_the_engine_takes_every_option_that_it_is_given():
    """It refuses unknown ones."""
    Engine(engine_options(load().config))
    with pytest.raises(ValueError, match="nope"):
        Engine('{"nope": 1}')


def test_values_arrive():
    config = configured(
        capture__query="keep",
        capture__headers=["X-A"],
        watch__ports=[80],
        watch__side="client",
        kernel__attach="kprobe",
    )
    options = json.loads(engine_options(config))
    assert options["capture"]["query"] == "keep"
    assert options["capture"]["headers"] == ["x-a"]
    assert options["filters"] == {"ports": [80], "side": "client"}
    assert options["attach"] == "kprobe"


def test_rovers_own_reports_are_known_by_their_ports():
    config = configured(
        reporters__oap__addresses=["oap.example:11801", "[::1]:11802"], backend__grpc__address="127.0.0.1:0"
    )
    assert own_ports(config) == [11801, 11802]


def test_the_token_is_the_first_line_of_its_file(tmp_path):
    file = tmp_path / "token"
    file.write_text("  secret \nmore\n")
    options = json.loads(oap_options(configured(reporters__oap__token_file=str(file)), "node-1"))
    assert options["token_file"] == str(file)
    assert (options["addresses"], options["node_name"]) == (["127.0.0.1:11800"], "node-1")
    assert "token_file" not in json.loads(oap_options(configured(), "node-1"))


def test_a_token_that_cannot_be_read_names_the_key(tmp_path):
    with pytest.raises(ConfigError, match=r"^reporters\.oap\.token_file: .*No such file"):
        oap_options(configured(reporters__oap__token_file=str(tmp_path / "none")), "node-1")
    (tmp_path / "empty").write_text("\n")
    with pytest.raises(ConfigError, match="has no token on its first line"):
        oap_options(configured(reporters__oap__token_file=str(tmp_path / "empty")), "node-1")
