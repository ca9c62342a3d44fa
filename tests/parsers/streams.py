"""Strategies for HTTP/1 streams: messages as peers send them, and the same with bytes changed."""

from dataclasses import dataclass
from itertools import pairwise

from hypothesis import strategies as st

METHODS = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "PROPFIND", "M-SEARCH", "PURGE", "TRACE"]
PATH = "abz09/-._~!$&'()*+,;=:@%|^"
TOKEN = "abzXYZ09-!#$&'*+.^_`|~"


@dataclass(frozen=True)
class Part:
    """Bytes of a message; of content the end is known before it is read."""

    data: bytes
    is_content: bool = False


paths = st.text(PATH, max_size=20).map(lambda path: "/" + path)
queries = st.one_of(st.just(""), st.text(PATH + "?/", max_size=20).map(lambda query: "?" + query))
targets = st.one_of(
    st.tuples(paths, queries).map("".join),
    st.tuples(st.just("http://host:8080"), st.one_of(st.just(""), paths), queries).map("".join),
    st.just("*"),
)
spaces_before = st.text(" \t", max_size=2)
# No tabs: llhttp does not see that a value is "chunked" in front of one (RFC 9112 §5: whitespace is no part of it).
spaces_after = st.text(" ", max_size=2)
values = st.text(TOKEN + '"(),/:;<=>?@[]{} é', max_size=30).map(str.strip)
fillers = st.tuples(st.text(TOKEN, min_size=1, max_size=12).map(lambda name: "Z" + name), values)
kept = st.tuples(st.sampled_from(["X-Kept", "x-kept"]), values)
connections = st.tuples(st.sampled_from(["Connection", "connection"]), st.sampled_from(["close", "keep-alive", "TE"]))
persistent = st.tuples(st.sampled_from(["Connection", "connection"]), st.sampled_from(["keep-alive", "x, Keep-Alive"]))
contents = st.binary(max_size=60)


@st.composite
def _chunks(draw: st.DrawFn) -> list[Part]:
    """A chunked body with sizes in either case, leading zeros, extensions and trailers."""
    parts = []
    for content in draw(st.lists(st.binary(min_size=1, max_size=40), max_size=4)):
        size = draw(st.sampled_from(["{:x}", "{:X}", "{:04x}"])).format(len(content))
        extension = draw(st.sampled_from(["", "", ";a", ";a=b", ';a="b;c"']))
        parts += [Part(f"{size}{extension}\r\n".encode()), Part(content, is_content=True), Part(b"\r\n")]
    trailers = draw(st.lists(fillers, max_size=2))
    end = "0\r\n" + "".join(f"{name}: {value}\r\n" for name, value in trailers) + "\r\n"
    return [*parts, Part(end.encode())]


@st.composite
def _message(draw: st.DrawFn, start: str, *, has_body: bool, is_last: bool, may_last: bool) -> list[Part]:
    """Start line, header lines in any order, and a body by length, by chunks, until the end, or none.

    `is_last`: no message follows. `may_last`: the body may last until the end of the connection."""
    fields = draw(st.lists(st.one_of(fillers, kept), max_size=5, unique_by=lambda field: field[0].lower()))
    if not is_last and "HTTP/1.0" in start:
        fields.append(draw(persistent))
    else:
        fields += draw(st.lists(connections if is_last else persistent, max_size=1))
    body: list[Part] = []
    framings = ["length", "chunked"] if has_body else ["none"]
    match draw(st.sampled_from([*framings, "end"] if may_last else framings)):
        case "length":
            content = draw(contents)
            fields.append(("Content-Length", str(len(content))))
            body = [Part(content, is_content=True)]
        case "chunked":
            fields.append(("Transfer-Encoding", "chunked"))
            body = draw(_chunks())
        case "end":
            body = [Part(draw(contents), is_content=True)]
        case _:
            pass
    lines = [
        f"{name}:{draw(spaces_before)}{value}{draw(spaces_after)}" for name, value in draw(st.permutations(fields))
    ]
    return [Part("".join(line + "\r\n" for line in [start, *lines, ""]).encode()), *body]


@st.composite
def requests(draw: st.DrawFn) -> list[Part]:
    """A few pipelined requests."""
    parts = []
    count = draw(st.integers(1, 4))
    for n in range(count):
        method = draw(st.sampled_from(METHODS))
        version = draw(st.sampled_from(["1.1", "1.1", "1.0"]))
        start = f"{method} {draw(targets)} HTTP/{version}"
        if draw(st.booleans()):
            parts.append(Part(b"\r\n"))
        parts += draw(_message(start, has_body=draw(st.booleans()), is_last=n == count - 1, may_last=False))
    return parts


@st.composite
def responses(draw: st.DrawFn) -> list[Part]:
    """A few responses, the last one perhaps without an announced end."""
    parts = []
    count = draw(st.integers(1, 4))
    for n in range(count):
        status = draw(st.sampled_from([100, 102, 103, 200, 201, 204, 206, 301, 304, 400, 404, 500, 599]))
        version = draw(st.sampled_from(["1.1", "1.1", "1.0"])) if status >= 200 else "1.1"
        reason = draw(st.sampled_from([" OK", " Not Found", " "]))
        has_body = status >= 200 and status not in (204, 304)
        is_last = n == count - 1
        start = f"HTTP/{version} {status}{reason}"
        parts += draw(_message(start, has_body=has_body, is_last=is_last, may_last=is_last and has_body))
    return parts


@st.composite
def changed(draw: st.DrawFn, parts: st.SearchStrategy[list[Part]]) -> bytes:
    """A stream of which some bytes are replaced, inserted or left out."""
    stream = bytearray(joined(draw(parts)))
    changes = st.tuples(
        st.integers(0, len(stream) - 4),
        st.sampled_from(["replace", "insert", "leave out"]),
        st.sampled_from(b'\r\n \t:,;0123456789aAfFgGzZ/?*%\0\x7f\x80\xff-"'),
    )
    for at, change, byte in draw(st.lists(changes, min_size=1, max_size=3)):
        match change:
            case "replace":
                stream[at] = byte
            case "insert":
                stream.insert(at, byte)
            case _:
                del stream[at]
    return bytes(stream)


def joined(parts: list[Part]) -> bytes:
    """The stream that parts make."""
    return b"".join(part.data for part in parts)


@st.composite
def slices(draw: st.DrawFn, stream: bytes) -> list[bytes]:
    """The stream cut into operations."""
    cuts = sorted(draw(st.lists(st.integers(0, len(stream)), max_size=6)))
    edges = [0, *cuts, len(stream)]
    return [stream[begin:end] for begin, end in pairwise(edges)]
