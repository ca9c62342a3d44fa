"""The HTTP side: JSON API, live tail, OpenAPI page and the web page's files.

    operations.py   the table of all operations: path, parameters, answer, what it does
    parameters.py   query parameters, their limits and what they mean
    shapes.py       answers, as the OpenAPI page describes them
    record.py       the shape of a record
    openapi.py      the OpenAPI document, made from the table
    errors.py       the one JSON error shape
    guard.py        host check, token, security headers
    live.py         the live tail
    node.py         what the node page shows
    page.py         files of the web page
    app.py          the ASGI application

Starlette and msgspec instead of FastAPI and pydantic, by measurement: 3 MB of resident memory against 19 MB, of the 80
MB that the whole of rover may take when idle. The price is openapi.py.
"""

from rover.backend.api.app import Application

__all__ = ["Application"]
