"""nghttpd under real clients: its log of every frame is the truth for both sides."""

import subprocess

import pytest

from tests.http2.nghttpd import Nghttpd

pytestmark = [pytest.mark.root, pytest.mark.slow]

FILES = {"nothing": 0, "little": 1000, "page": 300_000, "film": 5_000_000}


@pytest.fixture
def server(ports, tmp_path, program):
    """Runs nghttpd with the files: `server(*options)`."""
    running = []
    program("nghttpd")

    def run(*options):
        nghttpd = Nghttpd(tmp_path, ports.pop(), *options)
        for name, size in FILES.items():
            (nghttpd.root / name).write_bytes(b"f" * size)
        running.append(nghttpd.__enter__())
        return nghttpd

    yield run
    for each in running:
        each.__exit__()


def test_nghttp_is_told_frame_by_frame(judge, server, program):
    """Priorities of streams that never open, and files of all sizes at a time."""
    nghttpd = server()
    urls = [nghttpd.url(f"/{name}?{n}") for n in range(10) for name in ("nothing", "little", "page", "missing")]
    subprocess.run([program("nghttp"), "-n", *urls, nghttpd.url("/film")], check=True, timeout=60)
    truth = nghttpd.truth(41)
    assert len(truth) == 41
    judge.require(nghttpd.port, truth)


def test_h2load_is_told_frame_by_frame(judge, server, program):
    """Four connections with ten streams at a time."""
    nghttpd = server()
    urls = [nghttpd.url(f"/{name}") for name in ("nothing", "little", "page", "missing")]
    load = [program("h2load"), "-n1000", "-c4", "-m10", *urls]
    subprocess.run(load, check=True, stdout=subprocess.DEVNULL, timeout=60)
    judge.require(nghttpd.port, nghttpd.truth(1000), seconds=20)


@pytest.mark.parametrize("table", ["0", "100", "65536"])
def test_header_tables_of_other_sizes_are_followed(judge, server, program, table):
    """SETTINGS_HEADER_TABLE_SIZE both ways: updates within blocks, evictions, and no table at all (RFC 7541 §4.2)."""
    nghttpd = server(f"--header-table-size={table}", f"--encoder-header-table-size={table}")
    urls = [nghttpd.url(f"/{name}?{n}") for n in range(25) for name in ("nothing", "little", "missing")]
    size = [f"--header-table-size={table}", f"--encoder-header-table-size={table}"]
    subprocess.run([program("nghttp"), "-n", *size, *urls], check=True, timeout=60)
    judge.require(nghttpd.port, nghttpd.truth(75))


def test_bodies_and_trailers_of_requests_are_told(judge, server, program, tmp_path):
    """nghttp -d with padding and a trailer."""
    nghttpd = server("--echo-upload")
    upload = tmp_path / "upload"
    upload.write_bytes(b"u" * 100_000)
    ask = [program("nghttp"), "-n", "-d", upload, "--trailer=x-sum: 17", "-H:method: PUT"]
    subprocess.run([*ask, nghttpd.url("/echo")], check=True, timeout=30)
    truth = nghttpd.truth(1)
    assert (truth[0].request_body, truth[0].response_body) == (100_000, 100_000)
    judge.require(nghttpd.port, truth)


def test_padding_of_clients_and_servers_is_no_content(judge, server, program, tmp_path):
    """RFC 9113 §6.1: what nghttp and nghttpd put behind the content."""
    nghttpd = server("--padding=100")
    upload = tmp_path / "upload"
    upload.write_bytes(b"u" * 20_000)
    for more in ([], ["-d", upload]):
        ask = [program("nghttp"), "-n", "--padding=200", *more, nghttpd.url("/page"), nghttpd.url("/little")]
        subprocess.run(ask, check=True, timeout=30)
    nghttpd.truth(4)
    sides = ("server", "client")
    judge.rover.wait_for(lambda: all(len(judge.records(nghttpd.port, side)) >= 4 for side in sides))
    for side in sides:
        told = judge.records(nghttpd.port, side)
        assert sorted((each["request"]["body_bytes"], each["response"]["body_bytes"]) for each in told) == [
            (0, 1000), (0, 300_000), (20_000, 1000), (20_000, 300_000)
        ]  # fmt: skip
        assert not any(each["flags"] for each in told)


def test_pushed_responses_have_the_request_that_was_promised(judge, server, program):
    """PUSH_PROMISE (RFC 9113 §8.4): the server makes up a request, and answers it on a stream of its own."""
    nghttpd = server("--push=/little=/page,/nothing")
    subprocess.run([program("nghttp"), "-n", nghttpd.url("/little")], check=True, timeout=30)
    truth = nghttpd.truth(3)
    assert sorted(each.path for each in truth) == ["/little", "/nothing", "/page"]
    assert sorted(each.stream % 2 for each in truth) == [0, 0, 1]
    judge.require(nghttpd.port, truth)
