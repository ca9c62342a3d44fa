"""nginx with HTTP/2 in clear under real clients: its access log is the truth for both sides of every connection."""

import subprocess
from collections import Counter
from dataclasses import replace

import pytest

from tests.stage.clients import visit_with_curl
from tests.stage.exchange import ANY
from tests.stage.nginx import Nginx

pytestmark = pytest.mark.root

FILES = {"nothing": 0, "little": 1000, "page": 300_000, "film": 5_000_000}
STORE = "location /store/ { dav_methods PUT DELETE; create_full_put_path on; }"


def make_nginx(folder, port, http="sendfile on;", **options):
    """nginx that speaks nothing but HTTP/2, with files of several sizes."""
    nginx = Nginx(folder, port, http=http, server=STORE, listen="http2", **options)
    for name, size in FILES.items():
        (nginx.files / name).write_bytes(b"f" * size)
    return nginx


@pytest.fixture(params=["sendfile on;", "sendfile off;"], ids=["sendfile", "write"])
def nginx(request, ports, tmp_path):
    """A running nginx, its files sent by either system call."""
    with make_nginx(tmp_path, ports.pop(), request.param) as running:
        yield running


@pytest.mark.slow
@pytest.mark.parametrize("path", ["/small", "/nothing", "/little"])
def test_ten_thousand_requests_on_ten_connections_are_told(judge, nginx, program, path, tmp_path):
    """h2load, 100 streams at a time on each connection: as many records as lines in the log, each the right one."""
    told = tmp_path / "h2load.log"
    load = [program("h2load"), "-n10000", "-c10", "-m100", f"--log-file={told}", nginx.url(path)]
    subprocess.run(load, check=True, stdout=subprocess.DEVNULL, timeout=60)
    truth = nginx.truth(10_000, 20)
    statuses = Counter(int(line.split()[1]) for line in told.read_text().splitlines())
    assert statuses == Counter(each.status for each in truth)
    assert len({each.connection for each in truth}) == 10
    judge.require(nginx.port, truth, seconds=60)
    numbers = sorted(each["connection"]["stream"] for each in judge.records(nginx.port, "server"))
    assert numbers == sorted(list(range(1, 2001, 2)) * 10), "h2load takes the streams in turn"


def test_files_of_all_sizes_are_told_as_nginx_logs_them(judge, nginx, program):
    """A hundred streams at a time, their frames mixed in the operations of one connection."""
    urls = [nginx.url(f"/{name}") for name in [*FILES, "small", "missing", "moved", "gone"]]
    nghttp = [program("nghttp"), "-n", *(url for url in urls for _ in range(10))]
    subprocess.run([*nghttp, "--no-dep", "-m5"], check=True, stdout=subprocess.DEVNULL, timeout=60)
    load = [program("h2load"), "-n400", "-c2", "-m50", *urls]
    subprocess.run(load, check=True, stdout=subprocess.DEVNULL, timeout=60)
    judge.require(nginx.port, nginx.truth(480 - 32, 20), seconds=20)


def test_curl_counts_what_is_told(judge, nginx):
    """curl's own counts agree with the log, and the records with both."""
    paths = ["/small", "/film", "/nothing", "/missing", "/little", "/page"]
    # This curl cannot reuse a connection with prior knowledge (fixed in 7.88.2): each URL gets one of its own.
    seen = [each for path in paths for each in visit_with_curl([nginx.url(path)], "--http2-prior-knowledge")]
    truth = nginx.truth(len(paths))
    assert [(each.connection, each.status, each.response_body) for each in truth] == seen
    judge.require(nginx.port, truth)


@pytest.mark.parametrize("size", [0, 10, 300_000, 3_000_000])
def test_bodies_of_requests_are_counted(judge, nginx, tmp_path, size):
    """PUT and POST; what nginx keeps of it is the truth, and nginx's own word for the rest."""
    upload = tmp_path / "upload"
    upload.write_bytes(b"u" * size)
    curl = ["curl", "-sS", "--http2-prior-knowledge", "--max-time", "20", "-o", "/dev/null"]
    subprocess.run([*curl, "-T", upload, nginx.url("/store/a")], check=True, timeout=30)
    # nginx refuses the POST before its body has come, and resets the stream: this curl takes that for an error.
    subprocess.run([*curl, "--data-binary", f"@{upload}", nginx.url("/store/a")], check=False, timeout=30)
    put, post = nginx.truth(2)
    assert (nginx.files / "store/a").stat().st_size == size
    assert (put.method, put.status, post.method, post.status) == ("PUT", 201, "POST", 405)
    # What nginx says of its own bytes leaves out the WINDOW_UPDATE of the stream.
    put, post = replace(put, request_body=size, response_bytes=ANY), replace(post, request_body=ANY, response_bytes=ANY)
    judge.require(nginx.port, [put, replace(post, flags=ANY)])
