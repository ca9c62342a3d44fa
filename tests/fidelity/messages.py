"""Short ways to write HTTP/1 messages in the tests' scripts."""


def request(method: str, target: str, *headers: str, body: bytes = b"", version: str = "HTTP/1.1") -> bytes:
    """A request as bytes; headers as whole lines, a Content-Length is added for a body."""
    lines = [f"{method} {target} {version}", "Host: stage", *headers]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body


def response(status: int, *headers: str, body: bytes | None = b"", version: str = "HTTP/1.1") -> bytes:
    """A response as bytes; a Content-Length is added unless the body is None."""
    lines = [f"{version} {status} Whatever", *headers]
    if body is not None:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + (body or b"")


def chunked(*chunks: bytes, extension: str = "", trailers: tuple[str, ...] = ()) -> bytes:
    """A chunked body of these chunks; `extension` goes behind each size."""
    framed = b"".join(f"{len(chunk):x}{extension}\r\n".encode() + chunk + b"\r\n" for chunk in chunks)
    return framed + f"0{extension}\r\n".encode() + "".join(f"{line}\r\n" for line in trailers).encode() + b"\r\n"
