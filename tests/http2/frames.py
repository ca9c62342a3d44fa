"""Both ends of an HTTP/2 connection, written frame by frame with hyperframe and hpack: the script is the truth."""

from collections.abc import Iterable, Sequence
from typing import Any

import hpack
from hyperframe.frame import (
    ContinuationFrame,
    DataFrame,
    Frame,
    GoAwayFrame,
    HeadersFrame,
    PingFrame,
    PriorityFrame,
    PushPromiseFrame,
    RstStreamFrame,
    SettingsFrame,
    WindowUpdateFrame,
)

from tests.stage.exchange import Exchange

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
Fields = Iterable[tuple[str, str]]


class End:
    """One end: makes frames, header blocks with a table of its own."""

    def __init__(self) -> None:
        self.encoder = hpack.Encoder()
        self.sent: dict[int, int] = {}
        """Bytes of frames by stream."""

    def frame(self, frame: Frame, *flags: str) -> bytes:
        """Its bytes."""
        for flag in flags:
            frame.flags.add(flag)
        made = frame.serialize()
        self.sent[frame.stream_id] = self.sent.get(frame.stream_id, 0) + len(made)
        return made

    def settings(self, **values: int) -> bytes:
        """SETTINGS with values by their names in hyperframe."""
        return self.frame(SettingsFrame(0, {getattr(SettingsFrame, name): value for name, value in values.items()}))

    def acknowledge(self) -> bytes:
        """SETTINGS with ACK."""
        return self.frame(SettingsFrame(0), "ACK")

    def block(self, fields: Fields, huffman: bool = True) -> bytes:
        """A header block."""
        return self.encoder.encode(list(fields), huffman=huffman)

    def headers(
        self,
        stream: int,
        fields: Fields,
        *,
        ends: bool = True,
        pieces: Sequence[int] = (),
        padding: int | None = None,
        priority: bool = False,
        block: bytes | None = None,
    ) -> bytes:
        """HEADERS, and CONTINUATION for all of the block behind the first of `pieces`."""
        block = self.block(fields) if block is None else block
        cuts = [0]
        for piece in pieces:
            cuts.append(min(cuts[-1] + piece, len(block)))
        parts = [block[a:b] for a, b in zip(cuts, [*cuts[1:], len(block)], strict=True)]
        first = HeadersFrame(stream, parts[0], pad_length=padding or 0)
        if priority:
            first.depends_on, first.stream_weight, first.exclusive = 0, 15, False
        flags = [*(["END_STREAM"] if ends else []), *([] if padding is None else ["PADDED"])]
        flags += [*(["PRIORITY"] if priority else []), *(["END_HEADERS"] if len(parts) == 1 else [])]
        made = self.frame(first, *flags)
        for number, part in enumerate(parts[1:], 2):
            made += self.frame(ContinuationFrame(stream, part), *(["END_HEADERS"] if number == len(parts) else []))
        return made

    def data(self, stream: int, content: bytes, *, ends: bool = True, padding: int | None = None) -> bytes:
        """One DATA frame."""
        flags = [*(["END_STREAM"] if ends else []), *([] if padding is None else ["PADDED"])]
        return self.frame(DataFrame(stream, content, pad_length=padding or 0), *flags)

    def content(self, stream: int, content: bytes, *, ends: bool = True, most: int = 16_384) -> bytes:
        """As many DATA frames as it takes."""
        parts = [content[at : at + most] for at in range(0, len(content), most)] or [b""]
        return b"".join(self.data(stream, part, ends=ends and n == len(parts) - 1) for n, part in enumerate(parts))

    def reset(self, stream: int, code: int = 8) -> bytes:
        """RST_STREAM, CANCEL by default."""
        return self.frame(RstStreamFrame(stream, code))

    def go_away(self, last: int, code: int = 0) -> bytes:
        """GOAWAY."""
        return self.frame(GoAwayFrame(0, last, code))

    def window(self, stream: int, more: int = 1000) -> bytes:
        """WINDOW_UPDATE."""
        return self.frame(WindowUpdateFrame(stream, more))

    def ping(self) -> bytes:
        """PING."""
        return self.frame(PingFrame(0, b"12345678"))

    def priority(self, stream: int) -> bytes:
        """PRIORITY."""
        return self.frame(PriorityFrame(stream, 0, 15, False))

    def promise(self, stream: int, promised: int, fields: Fields) -> bytes:
        """PUSH_PROMISE."""
        return self.frame(PushPromiseFrame(stream, promised, self.block(fields)), "END_HEADERS")

    def unknown(self, stream: int, kind: int = 0x42, payload: bytes = b"whatever", flags: int = 0xFF) -> bytes:
        """A frame of a kind that nobody knows (RFC 9113 §5.5)."""
        self.sent[stream] = self.sent.get(stream, 0) + 9 + len(payload)
        return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def asked(method: str, path: str, *more: tuple[str, str]) -> list[tuple[str, str]]:
    """The fields of a request."""
    return [(":method", method), (":scheme", "http"), (":path", path), (":authority", "stage"), *more]


def answered(status: int, *more: tuple[str, str]) -> list[tuple[str, str]]:
    """The fields of a response."""
    return [(":status", str(status)), *more]


class Conversation:
    """A `Dialogue` that speaks HTTP/2."""

    def __init__(self, dialogue: Any, *, is_greeted: bool = True) -> None:
        self.dialogue = dialogue
        self.client, self.server = End(), End()
        if is_greeted:
            self.greet()

    def greet(self, client: dict[str, int] | None = None, server: dict[str, int] | None = None) -> None:
        """Preface and SETTINGS of both, each acknowledged."""
        self.dialogue.ask(PREFACE + self.client.settings(**(client or {})))
        self.dialogue.answer(self.server.settings(**(server or {})) + self.server.acknowledge())
        self.dialogue.ask(self.client.acknowledge())

    def exchange(self, stream: int, path: str, *more: tuple[str, str], **what: Any) -> Exchange:
        """A plain GET and its answer, at once."""
        self.dialogue.ask(self.client.headers(stream, asked("GET", path, *more)))
        self.dialogue.answer(
            self.server.headers(stream, answered(200, *more), ends=False) + self.server.data(stream, b"ok")
        )
        return self.truth(stream, "GET", path, 200, 0, 2, **what)

    def truth(self, stream: int, method: Any, path: Any, status: Any, *bodies: Any, **what: Any) -> Exchange:
        """The exchange on a stream; whole sizes are what was made so far."""
        sizes = {"request_bytes": self.client.sent.get(stream), "response_bytes": self.server.sent.get(stream)}
        told = {"protocol": "HTTP/2", "connection": self.dialogue.connection, "stream": stream, **sizes, **what}
        told["flags"] = frozenset(told.get("flags", ()))
        return Exchange(method, path, status, *bodies, **told)
