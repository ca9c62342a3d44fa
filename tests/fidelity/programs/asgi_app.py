"""The server of README.md as an ASGI application: `asgi_app.py PORT LOG httptools|h11`."""

import json
import sys
from typing import Any

import uvicorn

PIECES = [b"a" * 5, b"b" * 5000, b"c" * 50000]


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Answers the paths."""
    body = b""
    while True:
        event = await receive()
        body += event.get("body", b"")
        if not event.get("more_body"):
            break
    path = scope["path"]
    known = {
        "/plain": b"hello world",
        "/large": b"l" * (1 << 20),
        "/echo": body,
        "/none": b"",
        "/pieces": b"".join(PIECES),
    }
    answer = known.get(path, b"no")
    status = {"/none": 204}.get(path, 200 if path in known else 404)
    has_length = path not in ("/none", "/pieces")
    headers = [(b"content-length", str(len(answer)).encode())] if has_length else []
    await send({"type": "http.response.start", "status": status, "headers": headers})
    for piece in PIECES if path == "/pieces" else [answer]:
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b""})
    query = scope["query_string"].decode()
    entry = {
        "connection": scope["client"][1],
        "method": scope["method"],
        "target": scope["raw_path"].decode() + (f"?{query}" if query else ""),
        "status": status,
        "request_body": len(body),
        "response_body": 0 if scope["method"] == "HEAD" else len(answer),
    }
    log.write(json.dumps(entry) + "\n")


with open(sys.argv[2], "w", buffering=1) as log:
    uvicorn.run(app, port=int(sys.argv[1]), http=sys.argv[3], lifespan="off", log_level="error", access_log=False)
