"""One HTTPS request with http.client, and the end of the process. Arguments: port, certificate, path."""

import http.client
import ssl
import sys

connection = http.client.HTTPSConnection(
    "localhost", int(sys.argv[1]), context=ssl.create_default_context(cafile=sys.argv[2])
)
connection.request("GET", sys.argv[3])
assert connection.getresponse().status == 200
