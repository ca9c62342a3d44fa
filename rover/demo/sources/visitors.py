"""Visitors of the shop: about twenty requests a second from four threads, until their time is over."""

import itertools
import json
import ssl
import sys
import threading
import time
from http.client import HTTPConnection, HTTPException, HTTPSConnection

storefront, shop, seconds, folder = sys.argv[1:]
sys.stdin.read()  # its end says: begin
end = time.monotonic() + float(seconds)

WAY = (
    ("GET", "/products", None),
    ("GET", "/products/lamp", None),
    ("GET", "/reviews/lamp", None),
    ("GET", "/products/chair", None),
    ("POST", "/cart", b'{"lamp":1}'),
    ("GET", "/products/rug", None),
    ("POST", "/checkout", json.dumps({"card": "4000" + "0" * 12}).encode()),
    ("GET", "/sale", None),
)
"""One visit; the sale is over, so that asking for it is a 404."""


def connection() -> HTTPConnection:
    """By the storefront if there is one."""
    if not storefront:
        return HTTPConnection(shop, timeout=10)
    trusted = ssl.create_default_context(cafile=f"{folder}/cert.pem")
    return HTTPSConnection(storefront, timeout=10, context=trusted)


def visit(first: int) -> None:
    """Go round and round."""
    line = connection()
    for method, path, body in itertools.islice(itertools.cycle(WAY), first, None):
        if time.monotonic() > end:
            return
        try:
            line.request(method, path, body)
            line.getresponse().read()
        except (OSError, HTTPException):
            line.close()
            time.sleep(0.5)
        time.sleep(0.1)


threads = [threading.Thread(target=visit, args=(2 * number,)) for number in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
