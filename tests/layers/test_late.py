"""What leaves the server's host while none of its threads is in a send: acknowledgements let it go."""

import pytest

from .far import request, response, send_all_that_fits

pytestmark = pytest.mark.root

SIZE = 400_000
"""More than both sockets' buffers take at once."""


def test_what_leaves_after_a_send_that_sent_nothing_is_late(far, watched, needs):
    """The server sends until the kernel takes no more (EAGAIN), then waits, as servers do that never block. What the
    client's reading lets go meanwhile is sent outside of any call: IP's time of it is added to l4_ns, which is the
    calls' own time otherwise."""
    needs("write", "l4_ns", "l3_ns")
    connection = far()
    connection.exchange()
    connection.ask(request(100))
    left = memoryview(response(SIZE))
    got = 0
    while got < SIZE:
        left = left[send_all_that_fits(connection.server, left) :]
        got += len(connection.client.recv(1 << 20))
    connection.exchange()
    written = watched.sums(connection.port, "server", 3, "write")
    assert written["l4_ns"] > written["syscall_ns"]
    assert written["l4_ns"] >= written["l3_ns"]
