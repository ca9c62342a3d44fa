"""nginx under real clients: its own access log is the truth for both sides of every connection."""

import subprocess
from collections import Counter
from dataclasses import replace

import pytest

from tests.stage.clients import Visit, visit_with_curl, visit_with_http_client, with_sizes
from tests.stage.comparison import compare
from tests.stage.exchange import ANY
from tests.stage.nginx import Nginx

pytestmark = pytest.mark.root

LOCATIONS = """
location /packed { alias %(files)s/text; gzip on; gzip_types text/plain; gzip_min_length 1; }
location /list/ { alias %(files)s/; autoindex on; }
location /store/ { dav_methods PUT DELETE; create_full_put_path on; }
"""
MEGABYTE = 1 << 20


def make_nginx(folder, port, http, **options):
    """nginx with files of several sizes and the locations above."""
    nginx = Nginx(folder, port, http=http, server=LOCATIONS % {"files": folder / "files"}, **options)
    (nginx.files / "megabyte").write_bytes(b"m" * MEGABYTE)
    (nginx.files / "text").write_bytes(b"all work and no play " * 5000)
    (nginx.files / "empty").write_bytes(b"")
    return nginx


@pytest.fixture(scope="module", params=["sendfile on;", "sendfile off;"], ids=["sendfile", "no-sendfile"])
def nginx_settings(request):
    """How nginx sends files."""
    return request.param


RETURNED = ("/small", "/nothing", "/moved", "/found", "/gone")
"""Locations that every Nginx here answers itself, also one that passes everything else on."""

VISITS = [
    Visit("GET", "/small?a=b&c"),
    Visit("HEAD", "/small"),
    Visit("GET", "/nothing"),
    Visit("GET", "/moved"),
    Visit("GET", "/found"),
    Visit("GET", "/gone"),
    Visit("GET", "/missing"),
    Visit("GET", "/megabyte"),
    Visit("HEAD", "/megabyte"),
    Visit("GET", "/megabyte", headers={"If-Modified-Since": "Fri, 01 Jan 2100 00:00:00 GMT"}),
    Visit("GET", "/megabyte", headers={"Range": "bytes=100-70099"}),
    Visit("GET", "/megabyte", headers={"Range": "bytes=0-9,100-109"}),
    Visit("GET", "/empty"),
    Visit("GET", "/packed", headers={"Accept-Encoding": "gzip"}),
    Visit("HEAD", "/packed", headers={"Accept-Encoding": "gzip"}),
    Visit("GET", "/list/"),
    Visit("POST", "/small", body=b"p" * 300),
    Visit("PUT", "/store/a", body=b"q" * 200_000),
    Visit("GET", "/store/a"),
    Visit("PUT", "/store/b", body=b""),
    Visit("DELETE", "/store/a"),
    Visit("GET", "/store/a"),
    Visit("GET", "/small"),
]


@pytest.mark.parametrize("family", ["IPv4", "IPv6", "IPv4-mapped"])
def test_every_kind_of_response_is_told_as_nginx_logs_it(judge, ports, tmp_path, nginx_settings, family):
    """Files by sendfile and by write, chunked, packed, partial, not modified, empty, redirected, refused."""
    with make_nginx(tmp_path, ports.pop(), nginx_settings, is_dual=family == "IPv4-mapped") as nginx:
        host = "::1" if family == "IPv6" else "127.0.0.1"
        sizes = visit_with_http_client(host, nginx.port, VISITS * 2)
        truth = with_sizes(nginx.truth(len(VISITS) * 2), sizes)
    judge.require(nginx.port, truth)


def test_a_curl_with_many_urls_is_told_as_nginx_logs_it(judge, ports, tmp_path, nginx_settings):
    """One kept connection; curl's own counts agree with the log, and the records with both."""
    with make_nginx(tmp_path, ports.pop(), nginx_settings) as nginx:
        paths = ["/small", "/megabyte", "/packed", "/missing", "/nothing", "/list/"] * 10
        seen = visit_with_curl([nginx.url(path) for path in paths])
        truth = with_sizes(nginx.truth(len(paths)), [size for _, _, size in seen])
    assert [(each.connection, each.status, each.response_body) for each in truth] == seen
    judge.require(nginx.port, truth)


@pytest.mark.parametrize("option", ["--head", "--http1.0", "--compressed"])
def test_curl_in_other_ways_is_told_as_nginx_logs_it(judge, ports, tmp_path, nginx_settings, option):
    """HEAD for all, HTTP/1.0 whose bodies end with the connection, and packed bodies."""
    with make_nginx(tmp_path, ports.pop(), nginx_settings) as nginx:
        paths = ["/small", "/packed", "/megabyte", "/list/"]
        visit_with_curl([nginx.url(path) for path in paths], option)
        truth = nginx.truth(len(paths))
    judge.require(nginx.port, truth)


def test_uploads_by_curl_are_told_as_nginx_logs_them(judge, ports, tmp_path):
    """`curl -T` sends Expect: 100-continue for large bodies and chunks for those of unknown length."""
    with make_nginx(tmp_path, ports.pop(), "sendfile on;") as nginx:
        upload = tmp_path / "upload"
        upload.write_bytes(b"u" * 3_000_000)
        curl = ["curl", "-sS", "--max-time", "20", "-o", "/dev/null"]
        subprocess.run([*curl, "-T", upload, nginx.url("/store/known")], check=True, timeout=30)
        with upload.open("rb") as source:
            subprocess.run([*curl, "-T", "-", nginx.url("/store/unknown")], stdin=source, check=True, timeout=30)
        known, unknown = nginx.truth(2)
    assert (nginx.files / "store/unknown").stat().st_size == 3_000_000
    # nginx counts its 100 Continue as a part of the response.
    truth = [
        replace(each, interim=(100,), request_body=3_000_000, response_body=0, response_bytes=ANY)
        for each in (known, unknown)
    ]
    judge.require(nginx.port, truth)


WRK_SCRIPT = """
-- No HEAD: wrk would wait for the body.
local visits = { {"GET", "/small"}, {"POST", "/small"}, {"GET", "/missing"}, {"GET", "/megabyte"}, {"GET", "/nothing"},
                 {"GET", "/list/"}, {"GET", "/found"} }
local number = 0
function request()
    number = number + 1
    local visit = visits[number % #visits + 1]
    return wrk.format(visit[1], visit[2] .. "?" .. number, nil, visit[1] == "POST" and "body of a post" or nil)
end
"""


def test_a_load_by_wrk_is_told_record_by_record(judge, ports, tmp_path, program):
    """A second of wrk at full speed on 16 connections: as many records as lines in the log, each the right one."""
    with make_nginx(tmp_path, ports.pop(), "sendfile on;") as nginx:
        (tmp_path / "mix.lua").write_text(WRK_SCRIPT)
        wrk = [program("wrk"), "-t2", "-c16", "-d1s", "-s", tmp_path / "mix.lua", nginx.url("/")]
        subprocess.run(wrk, check=True, stdout=subprocess.DEVNULL, timeout=30)
    truth = nginx.truth(100)
    # It ends by a reset, which may cut a response on its way; nginx logs what it sent of it.
    judge.require(nginx.port, truth, sides=("server",), seconds=40, excused=frozenset({"reset"}))
    # wrk leaves in the middle of things: the last response of a connection may be none or a part on its side.
    cut = {"no_response", "reset", "truncated"}
    answered = [each for each in judge.records(nginx.port, "client") if not cut & set(each["flags"])]
    differences = compare(answered, truth)
    assert not differences.invented, str(differences)
    assert not differences.wrong, str(differences)
    assert max(Counter(each.connection for each in differences.missing).values(), default=0) <= 1, str(differences)


def test_a_reverse_proxy_is_a_server_to_one_side_and_a_client_to_the_other(judge, ports, tmp_path):
    """Two nginx behind each other, with kept connections between them: four records for one visit."""
    upstream = "upstream back { server 127.0.0.1:%d; keepalive 4; }"
    passing = 'location / { proxy_pass http://back; proxy_http_version 1.1; proxy_set_header Connection ""; }'
    visits = [visit for visit in VISITS if visit.target.partition("?")[0] not in RETURNED]
    back = make_nginx(tmp_path / "back", ports.pop(), "sendfile on;")
    front = Nginx(tmp_path / "front", ports.pop(), http=upstream % back.port, server=passing)
    with back, front:
        sizes = visit_with_http_client("127.0.0.1", front.port, visits)
        fronts = with_sizes(front.truth(len(visits)), sizes)
        # The front passes every request on, so that the back answers as many.
        backs = with_sizes(back.truth(len(visits)), sizes)
    judge.require(front.port, fronts)
    judge.require(back.port, backs)
    for side in ("server", "client"):
        assert {each["local"]["identity"]["process"] for each in judge.records(back.port, side)} == {"nginx"}
