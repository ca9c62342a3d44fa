"""Client and server on two hosts: between network namespaces each side's record stands alone."""

import subprocess

import pytest

from tests.stage.namespaces import IPV4, IPV6, Hosts
from tests.stage.nginx import Nginx

pytestmark = pytest.mark.root


@pytest.fixture(scope="module")
def hosts():
    """Two hosts."""
    with Hosts() as hosts:
        yield hosts


@pytest.mark.parametrize(("address", "host"), [(IPV4, IPV4[0]), (IPV6, f"[{IPV6[0]}]")], ids=["IPv4", "IPv6"])
def test_exchanges_between_namespaces_are_told_on_both_sides(judge, ports, tmp_path, hosts, address, host):
    """The socket's addresses are those of its namespace; nginx's log is the truth for both."""
    nginx = Nginx(tmp_path, ports.pop())
    nginx.prefix = hosts.inside(0)
    (nginx.files / "megabyte").write_bytes(b"m" * (1 << 20))
    with nginx:
        urls = [nginx.url(path, host) for path in ["/small", "/megabyte", "/nothing", "/missing"] * 5]
        outputs = [word for url in urls for word in ("-o", "/dev/null", url)]
        curl = [*hosts.inside(1), "curl", "-sS", "--retry", "5", "--retry-connrefused", "--max-time", "20", *outputs]
        subprocess.run(curl, check=True, timeout=30)
        truth = nginx.truth(len(urls))
    judge.require(nginx.port, truth)
    for side, (local, remote) in (("server", address), ("client", (address[1], address[0]))):
        ends = {(each["local"]["address"], each["remote"]["address"]) for each in judge.records(nginx.port, side)}
        assert ends == {(local, remote)}
