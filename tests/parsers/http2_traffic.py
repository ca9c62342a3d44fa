"""HTTP/2 connections between two `h2` state machines, and what `h2` understood of them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import h2.config
import h2.connection
import h2.events
import h2.settings
import hpack
from hypothesis import strategies as st

from tests.parsers.observer import Direction, Seen

Headers = list[tuple[str, str]]

KEPT = ("x-kept", "x-checksum", "cookie", "via", "user-agent", "grpc-status")
"""The headers that the example program keeps."""

values = st.text("abzABZ019-_./=;, é%", max_size=40).map(str.strip)
paths = st.text("abz09/-._~", max_size=30).map(lambda path: "/" + path)
targets = st.one_of(paths, st.tuples(paths, st.text("ab=&?", max_size=12)).map("?".join))
fields = st.lists(
    st.tuples(st.sampled_from([*KEPT[:5], "accept", "x-other", "etag", "accept-encoding"]), values), max_size=6
)
bodies = st.lists(st.binary(max_size=300), max_size=4)


@dataclass(frozen=True)
class Exchange:
    """What a client asks and a server answers."""

    request: Headers
    body: list[bytes]
    trailers: Headers
    interim: list[str]
    response: Headers
    answer: list[bytes]
    answer_trailers: Headers
    padding: int
    reset: bool


@st.composite
def exchanges(draw: st.DrawFn) -> Exchange:
    """Any request with any response: bodies, trailers, padding, interim responses, resets."""
    request = [
        (":method", draw(st.sampled_from(["GET", "POST", "PROPFIND"]))),
        (":scheme", draw(st.sampled_from(["http", "https"]))),
        (":path", draw(targets)),
        (":authority", draw(st.sampled_from(["h", "orders.shop.svc:8080"]))),
    ]
    trailers = draw(st.one_of(st.just([]), st.just([("x-checksum", "17"), ("x-other", "1")])))
    return Exchange(
        request=request + draw(fields),
        body=draw(bodies),
        trailers=trailers,
        interim=draw(st.lists(st.sampled_from(["100", "103"]), max_size=2)),
        response=[(":status", draw(st.sampled_from(["200", "204", "302", "404", "599"]))), *draw(fields)],
        answer=draw(bodies),
        answer_trailers=draw(st.one_of(st.just([]), st.just([("grpc-status", "13"), ("grpc-message", "no")]))),
        padding=draw(st.sampled_from([0, 0, 1, 255])),
        reset=draw(st.sampled_from([False, False, False, True])),
    )


@dataclass
class Told:
    """One message as the judge understood it."""

    headers: Headers = field(default_factory=list)
    trailers: Headers = field(default_factory=list)
    interim: list[int] = field(default_factory=list)
    body_bytes: int = 0
    ended: bool = False
    reset: bool = False


class Traffic:
    """Two endpoints; what each sends goes to the other at once, and is recorded."""

    def __init__(self, *, huffman: bool = True, table_bytes: int | None = None) -> None:
        # As sent: h2 would put several cookies into one.
        config = partial(h2.config.H2Configuration, header_encoding="utf-8", normalize_inbound_headers=False)
        self.client = h2.connection.H2Connection(config(client_side=True))
        self.server = h2.connection.H2Connection(config(client_side=False))
        if not huffman:
            for end in (self.client, self.server):
                _without_huffman(end.encoder)
        self.operations: list[Seen] = []
        self.told: dict[tuple[int, Direction], Told] = {}
        self.client.initiate_connection()
        self.server.initiate_connection()
        if table_bytes is not None:
            for end in (self.client, self.server):
                end.update_settings({h2.settings.SettingCodes.HEADER_TABLE_SIZE: table_bytes})
        self.move()

    def move(self) -> None:
        """Everything that is to be sent is sent."""
        while True:
            request, response = self.client.data_to_send(), self.server.data_to_send()
            if not request and not response:
                return
            if request:
                self.operations.append(Seen("request", request))
                self._judge("request", self.server.receive_data(request))
            if response:
                self.operations.append(Seen("response", response))
                self._judge("response", self.client.receive_data(response))

    def run(self, exchanges: list[Exchange], order: Callable[[int], int]) -> None:
        """All exchanges at a time; `order` says which one goes on, of so many."""
        ids = [2 * n + 1 for n in range(len(exchanges))]
        steps = [self._steps(stream, exchange) for stream, exchange in zip(ids, exchanges, strict=True)]
        for stream, exchange in zip(ids, exchanges, strict=True):
            # Streams open in the order of their ids (RFC 9113 §5.1.1).
            self._head(self.client, stream, exchange.request, is_last=not exchange.body and not exchange.trailers)
        self.move()
        while any(steps):
            left = [list_ for list_ in steps if list_]
            left[order(len(left))].pop(0)()
            self.move()

    def _steps(self, stream: int, exchange: Exchange) -> list[Callable[[], None]]:
        steps: list[Callable[[], None]] = []
        for end, body, trailers in (
            (self.client, exchange.body, exchange.trailers),
            (self.server, exchange.answer, exchange.answer_trailers),
        ):
            if end is self.server:
                for status in exchange.interim:
                    steps.append(partial(self._head, self.server, stream, [(":status", status)], is_last=False))
                is_last = not body and not trailers
                steps.append(partial(self._head, self.server, stream, exchange.response, is_last=is_last))
            for n, part in enumerate(body):
                is_last = n == len(body) - 1 and not trailers
                steps.append(partial(self._data, end, stream, part, exchange.padding, is_last=is_last))
            if trailers:
                steps.append(partial(self._head, end, stream, trailers, is_last=True))
        if exchange.reset:
            del steps[len(steps) // 2 :]
            steps.append(partial(self._reset, stream))
        return steps

    def _head(self, end: h2.connection.H2Connection, stream: int, headers: Headers, *, is_last: bool) -> None:
        end.send_headers(stream, headers, end_stream=is_last)

    def _data(self, end: h2.connection.H2Connection, stream: int, data: bytes, padding: int, *, is_last: bool) -> None:
        end.send_data(stream, data, end_stream=is_last, pad_length=padding or None)

    def _reset(self, stream: int) -> None:
        message = self.told.get((stream, "response"), Told())
        if not message.ended or not self.told[stream, "request"].ended:
            self.client.reset_stream(stream, 8)

    def _judge(self, direction: Direction, events: list[h2.events.Event]) -> None:
        for event in events:
            stream = getattr(event, "stream_id", None)
            if not stream or isinstance(event, h2.events.WindowUpdated):
                continue
            message = self.told.setdefault((stream, direction), Told())
            match event:
                case h2.events.RequestReceived() | h2.events.ResponseReceived():
                    message.headers = _text(event.headers)
                case h2.events.TrailersReceived():
                    message.trailers = _text(event.headers)
                case h2.events.InformationalResponseReceived():
                    message.interim.append(int(dict(_text(event.headers))[":status"]))
                case h2.events.DataReceived():
                    message.body_bytes += len(event.data)
                case h2.events.StreamEnded():
                    message.ended = True
                case h2.events.StreamReset():
                    message.reset = True
                case _:
                    pass


def _text(headers: object) -> Headers:
    assert isinstance(headers, list)
    return [(str(name), str(value)) for name, value in headers]


def _without_huffman(encoder: hpack.Encoder) -> None:
    encode = encoder.encode
    encoder.encode = lambda headers, huffman=False: encode(headers, huffman=False)  # type: ignore[method-assign]
