"""nghttpd as a server under observation; what it says of each frame (`-v`) is the truth."""

import re
import signal
import subprocess
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from tests.stage.deadline import wait_until
from tests.stage.exchange import ANY, Exchange
from tests.stage.ports import wait_listening

COLOUR = re.compile(r"\x1b\[[0-9;]*m")
LINE = re.compile(r"\[id=(\d+)\] \[ *[\d.]+\] (.*)")
ASKED = re.compile(r"recv \(stream_id=(\d+)\) (:\w+): (.*)")
FRAME = re.compile(r"(recv|send) (\w+) frame <length=(\d+), flags=0x(\w+), stream_id=(\d+)>")
PROMISED = re.compile(r"\(padlen=\d+, promised_stream_id=(\d+)\)")
STATUS = re.compile(r"\s+:status: (\d+)")
FIELD = re.compile(r"\s+(:\w+): (.*)")
OF_MESSAGES = ("HEADERS", "DATA", "CONTINUATION", "PRIORITY", "RST_STREAM", "WINDOW_UPDATE", "PUSH_PROMISE")


@dataclass
class _Seen:
    """One stream as the log tells it."""

    method: str = ""
    path: str = ""
    status: int | None = None
    request_body: int = 0
    response_body: int = 0
    response_bytes: int = 0
    is_closed: bool = False


class Nghttpd:
    """A running nghttpd that serves `root`, used with `with`."""

    def __init__(self, folder: Path, port: int, *options: str) -> None:
        self.port = port
        self.root = folder / "root"
        self.root.mkdir()
        self.log = folder / "nghttpd.log"
        # Lines at once, not in blocks.
        command = ["stdbuf", "-oL", "nghttpd", "--no-tls", "-v", "-d", str(self.root), *options, str(port)]
        with self.log.open("wb") as out:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out)

    def __enter__(self) -> "Nghttpd":
        wait_listening(self.port)
        return self

    def __exit__(self, *_: object) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(10)

    def url(self, path: str) -> str:
        """URL of a path on this server."""
        return f"http://127.0.0.1:{self.port}{path}"

    def truth(self, count: int, seconds: float = 20.0) -> list[Exchange]:
        """What the log tells once `count` streams are closed."""
        wait_until(
            lambda: self.log.read_bytes().count(b" closed") >= count, f"{count} streams in nghttpd's log", seconds
        )
        streams: dict[tuple[int, int], _Seen] = defaultdict(_Seen)
        current = (0, 0)
        promised: tuple[int, int] | None = None
        is_sent = False
        for line in COLOUR.sub("", self.log.read_text()).splitlines():
            if not (event := LINE.match(line)):
                if is_sent and (told := STATUS.match(line)):
                    streams[current].status = int(told[1])
                if told := PROMISED.search(line):
                    promised = (current[0], int(told[1]))
                elif promised and (told := FIELD.match(line)):
                    setattr(streams[promised], {":method": "method", ":path": "path"}.get(told[1], "other"), told[2])
                continue
            promised = None
            client, what = int(event[1]), event[2]
            if told := ASKED.match(what):
                name = {":method": "method", ":path": "path"}.get(told[2])
                if name:
                    setattr(streams[client, int(told[1])], name, told[3])
            elif (told := FRAME.match(what)) and told[5] != "0":
                current, is_sent = (client, int(told[5])), told[1] == "send"
                _count(streams[current], is_sent, told[2], int(told[3]))
        return [
            Exchange(
                each.method,
                each.path.partition("?")[0],
                each.status,
                each.request_body,
                each.response_body,
                response_bytes=each.response_bytes,
                protocol="HTTP/2",
                connection=ANY,
                stream=stream,
            )
            for (_, stream), each in streams.items()
            if each.method
        ]


def _count(stream: _Seen, is_sent: bool, kind: str, length: int) -> None:
    if is_sent and kind in OF_MESSAGES:
        stream.response_bytes += 9 + length
    if kind == "DATA":
        stream.response_body += length if is_sent else 0
        stream.request_body += 0 if is_sent else length
