"""Where values come from, and what is said when one cannot be used."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from rover.config import KEYS, Config, ConfigError, Rule, load


@pytest.fixture
def write(tmp_path: Path):
    def write_file(text: str) -> Path:
        path = tmp_path / "rover.yaml"
        path.write_text(text)
        return path

    return write_file


def error_of(file: Path | None = None, environment: dict[str, str] | None = None, flags=None) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        load(file, environment, flags)
    assert "\n" not in str(caught.value)
    return caught.value


def test_without_anything_every_value_is_the_default():
    loaded = load()
    assert loaded.config == Config()
    assert loaded.origins == {}
    assert loaded.config.capture.head_bytes == 65536


def test_flags_override_the_environment_which_overrides_the_file(write):
    file = write("capture:\n  query: keep\n  head_bytes: 1000\n  payload_bytes: 2000\n")
    loaded = load(
        file,
        {"ROVER_CAPTURE_QUERY": "drop", "ROVER_CAPTURE_HEAD_BYTES": "3000"},
        {"capture.query": ("mask", "--query")},
    )
    capture = loaded.config.capture
    assert (capture.query, capture.head_bytes, capture.payload_bytes) == ("mask", 3000, 2000)
    assert loaded.origins == {
        "capture.query": "--query",
        "capture.head_bytes": "ROVER_CAPTURE_HEAD_BYTES",
        "capture.payload_bytes": f"{file}:4",
    }


def test_an_unknown_key_names_file_line_key_and_the_nearest_known_one(write):
    file = write("capture:\n  query: keep\n  head_byte: 1\n")
    error = error_of(file)
    assert str(error) == f"{file}:3: unknown key capture.head_byte; did you mean capture.head_bytes?"
    assert (error.key, error.origin) == ("capture.head_byte", f"{file}:3")


@pytest.mark.parametrize(
    ("text", "nearest"),
    [
        ("captures:\n  query: keep\n", "capture"),
        ("head_bytes: 1\n", "capture.head_bytes"),
        ("backend:\n  storage:\n    path: x\n", "backend.store"),
        ("reporters:\n  oap:\n    address: x\n", "reporters.oap.addresses"),
    ],
)
def test_the_nearest_key_is_found_for_sections_and_missing_sections(write, text, nearest):
    assert str(error_of(write(text))).endswith(f"did you mean {nearest}?")


def test_a_key_like_no_other_points_to_the_reference(write):
    assert "rover config reference" in str(error_of(write("zzzzzzzzzz: 1\n")))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("capture: {head_bytes: many}", "capture.head_bytes must be a number of bytes, or one with a unit like 64 KiB"),
        ("capture: {head_bytes: true}", "capture.head_bytes must be a number of bytes"),
        ("capture: {head_bytes: 3}", "capture.head_bytes must be between 256 and 16777216"),
        ("capture: {query: hide}", "capture.query must be one of keep, mask, drop"),
        ("capture: {headers: accept}", "capture.headers must be a list"),
        ("capture: {headers: [accept, 'a b']}", "capture.headers must be a list whose item 2 is a header name"),
        ("capture: {unfinished_seconds: '60'}", "capture.unfinished_seconds must be a number"),
        ("capture: 3", "capture must be a mapping of keys"),
        ("- 1", "the file must be a mapping of keys"),
        ("backend: {http: {address: '8080'}}", "backend.http.address must be HOST:PORT"),
        (
            "backend: {http: {address: '::1:8080'}}",
            "backend.http.address must be HOST:PORT, with an IPv6 host in brackets",
        ),
        ("backend: {http: {address: 'localhost:99999'}}", "backend.http.address must be HOST:PORT"),
        ("backend: {store: {path: null}}", "backend.store.path must be a path"),
        ("watch: {ports: [0]}", "watch.ports must be a list whose item 1 is a port, 1 to 65535"),
        ("watch: {include: [{exec: a}]}", "item 1 is a rule, which has no exec; did you mean exe?"),
        ("watch: {include: [{port: http}]}", "item 1 is a rule whose port is a port, 1 to 65535"),
        ("watch: {include: [{}]}", "item 1 is a rule like {exe: /usr/sbin/nginx}"),
        ("kernel: {attach: auto, attach: kprobe}", "kernel.attach is given twice"),
        ("kernel: {attach: [auto]}", "kernel.attach must be one of auto, fentry, kprobe, tracepoint"),
        ("a: [", "is not valid YAML"),
        ("a: !!python/object:os.system x", "unknown key a"),
        ("a: *nowhere", "is not valid YAML"),
        ("--- 1\n--- 2", "is not valid YAML"),
    ],
)
def test_a_value_that_cannot_be_used_is_one_line_with_file_and_line(write, text, says):
    file = write(text)
    error = error_of(file)
    assert says in str(error)
    assert str(error).startswith(f"{file}:")


@pytest.mark.parametrize("tag", ["!!python/object/apply:os.system [true]", "!!binary x", "!!timestamp no"])
def test_yaml_tags_construct_nothing_but_plain_values(write, tag):
    assert "capture.query" in str(error_of(write(f"capture: {{query: {tag}}}")))


def test_a_file_that_cannot_be_read_says_why(tmp_path):
    missing = tmp_path / "no.yaml"
    assert str(error_of(missing)) == f"{missing}: cannot be read: No such file or directory"
    assert str(error_of(tmp_path)) == f"{tmp_path}: cannot be read: Is a directory"
    binary = tmp_path / "binary.yaml"
    binary.write_bytes(b"capture: \xff")
    assert str(error_of(binary)) == f"{binary}: is not UTF-8 text (byte 9)"
    assert "longer than 1 MiB" in str(error_of(Path("/dev/zero")))


def test_an_empty_file_and_an_empty_section_change_nothing(write):
    assert load(write("")).config == Config()
    assert load(write("# nothing\ncapture:\n  # query: keep\n")).config == Config()


def test_sizes_take_units(write):
    capture = load(write("capture: {head_bytes: 1.5 KiB, payload_bytes: 32KiB}")).config.capture
    assert (capture.head_bytes, capture.payload_bytes) == (1536, 32768)


def test_header_names_are_compared_in_lower_case(write):
    assert load(write("capture: {headers: [X-Request-Id]}")).config.capture.headers == ("x-request-id",)


def test_rules_are_read_from_a_file(write):
    config = load(write("watch:\n  include:\n    - {exe: nginx, port: 80}\n    - user: 33\n")).config
    assert config.watch.include == (Rule(exe="nginx", port=80), Rule(user="33"))


@pytest.mark.parametrize(
    ("variable", "text", "key", "value"),
    [
        ("ROVER_WATCH_PORTS", "80, 8080", "watch.ports", (80, 8080)),
        ("ROVER_WATCH_PORTS", "[80]", "watch.ports", (80,)),
        ("ROVER_CAPTURE_HEADERS", "Accept,x-a", "capture.headers", ("accept", "x-a")),
        (
            "ROVER_WATCH_EXCLUDE",
            "[{exe: /usr/bin/curl}, {pid: 3}]",
            "watch.exclude",
            (Rule("/usr/bin/curl"), Rule(pid=3)),
        ),
        ("ROVER_WATCH_EXCLUDE", "{exe: curl}", "watch.exclude", (Rule("curl"),)),
        ("ROVER_WATCH_SIDE", "server", "watch.side", "server"),
        ("ROVER_WATCH_SIDE", "", "watch.side", None),
        ("ROVER_REPORTERS_OAP_ADDRESSES", "a:1,[::1]:2", "reporters.oap.addresses", ("a:1", "[::1]:2")),
        ("ROVER_SHUTDOWN_SECONDS", "2.5", "shutdown.seconds", 2.5),
        ("ROVER_NODE_NAME", "7", "node.name", "7"),
        ("ROVER_KERNEL_RING_BYTES", "1 MiB", "kernel.ring_bytes", 1 << 20),
    ],
)
def test_variables_are_text_that_becomes_the_kind_of_the_key(variable, text, key, value):
    found = load(None, {variable: text}).config
    for part in key.split("."):
        found = getattr(found, part)
    assert found == value


def test_a_variable_with_a_bad_value_is_named():
    assert str(error_of(None, {"ROVER_SHUTDOWN_SECONDS": "soon"})) == (
        "ROVER_SHUTDOWN_SECONDS: shutdown.seconds must be a number"
    )
    assert "readable as YAML" in str(error_of(None, {"ROVER_WATCH_EXCLUDE": "[{"}))


def test_a_flag_with_a_bad_value_is_named():
    assert str(error_of(flags={"capture.query": ("hide", "--query")})) == "--query: must be one of keep, mask, drop"


def test_an_unknown_variable_is_a_warning_but_not_those_that_kubernetes_sets(caplog):
    with caplog.at_level(logging.WARNING):
        load(None, {"ROVER_CAPTURE_QUERRY": "keep", "ROVER_SERVICE_HOST": "x", "ROVER_PORT_80_TCP_ADDR": "x"})
    assert [record.getMessage() for record in caplog.records] == [
        "unknown variable ignored name=ROVER_CAPTURE_QUERRY nearest=ROVER_CAPTURE_QUERY"
    ]


def test_every_key_has_a_help_text_and_a_default_that_its_own_kind_accepts():
    for key in KEYS.values():
        assert key.help.endswith("."), key.name
        default = str(key.default) if isinstance(key.default, Path) else key.default
        assert key.kind.read(default) == key.default, key.name


def test_no_two_keys_share_a_variable():
    assert len({key.variable for key in KEYS.values()}) == len(KEYS)
