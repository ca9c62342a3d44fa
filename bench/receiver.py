"""An OAP that only drains: takes the access-log stream as fast as it comes and counts the exchanges in it.

It speaks HTTP/2 with the h2 library and looks no deeper into a message than whether it has a protocol log, so that it
costs little of the machine it shares and counts without any of rover's code. `python -m bench.receiver PORT FILE`
writes the count to FILE when it is ended."""

import signal
import socket
import sys
import threading
from pathlib import Path
from types import FrameType

import h2.config
import h2.connection
import h2.events
import h2.settings

WINDOW = 1 << 24
"""Flow-control window of connection and streams: large enough that the sender never waits for it."""

PROTOCOL_LOG = 0x22
"""Tag of field 4 of EBPFAccessLogMessage: the message tells of an exchange."""

LENGTH_DELIMITED = 2

ACCESS_LOG = b"/skywalking.v3.EBPFAccessLogService/collect"

HEADERS = [(":status", "200"), ("content-type", "application/grpc")]
TRAILERS = [("grpc-status", "0")]
EMPTY_MESSAGE = b"\0\0\0\0\0"


class Messages:
    """Counts gRPC messages in the bytes of one stream."""

    def __init__(self) -> None:
        self.exchanges = 0
        self._rest = b""

    def take(self, data: bytes) -> None:
        """Continue with the next bytes of the stream."""
        data = self._rest + data if self._rest else data
        position = 0
        while len(data) - position >= 5:
            end = position + 5 + int.from_bytes(data[position + 1 : position + 5])
            if end > len(data):
                break
            self.exchanges += has_protocol_log(data, position + 5, end)
            position = end
        self._rest = data[position:]


def has_protocol_log(data: bytes, position: int, end: int) -> bool:
    """Whether the protobuf message in data[position:end] has field 4. All its fields are length-delimited."""
    while position < end:
        tag = data[position]
        if tag == PROTOCOL_LOG:
            return True
        if tag & 7 != LENGTH_DELIMITED:
            raise ValueError(f"unexpected tag {tag:#x}")
        position += 1
        length = shift = 0
        while data[position] & 0x80:
            length |= (data[position] & 0x7F) << shift
            shift += 7
            position += 1
        position += 1 + (length | data[position] << shift)
    return False


class Connection(threading.Thread):
    """One connection of a reporter, served to its end."""

    def __init__(self, sock: socket.socket) -> None:
        super().__init__(daemon=True)
        self.sock = sock
        self.streams: dict[int, Messages] = {}

    @property
    def exchanges(self) -> int:
        """Exchanges told so far."""
        return sum(messages.exchanges for messages in self.streams.values())

    def run(self) -> None:
        """Read, count, give the window back, answer what has ended."""
        h2_config = h2.config.H2Configuration(client_side=False, header_encoding=None, validate_inbound_headers=False)
        protocol = h2.connection.H2Connection(h2_config)
        protocol.initiate_connection()
        protocol.update_settings({h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: WINDOW})
        protocol.increment_flow_control_window(WINDOW)
        self.sock.sendall(protocol.data_to_send())
        while data := self.sock.recv(1 << 18):
            for event in protocol.receive_data(data):
                self.handle(protocol, event)
            if answer := protocol.data_to_send():
                self.sock.sendall(answer)

    def handle(self, protocol: h2.connection.H2Connection, event: h2.events.Event) -> None:
        """One event of the connection."""
        if isinstance(event, h2.events.RequestReceived):
            if dict(event.headers)[b":path"] == ACCESS_LOG:
                self.streams[event.stream_id] = Messages()
        elif isinstance(event, h2.events.DataReceived):
            if messages := self.streams.get(event.stream_id):
                messages.take(event.data)
            if event.flow_controlled_length:
                protocol.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, h2.events.StreamEnded):
            protocol.send_headers(event.stream_id, HEADERS)
            protocol.send_data(event.stream_id, EMPTY_MESSAGE)
            protocol.send_headers(event.stream_id, TRAILERS, end_stream=True)


def main() -> None:
    """Serve until SIGTERM, then write the count."""
    port, file = int(sys.argv[1]), Path(sys.argv[2])
    connections: list[Connection] = []

    def end(_signal: int, _frame: FrameType | None) -> None:
        file.write_text(str(sum(connection.exchanges for connection in connections)))
        raise SystemExit(0)

    signal.signal(signal.SIGTERM, end)
    with socket.create_server(("127.0.0.1", port), backlog=16) as listener:
        while True:
            sock, _ = listener.accept()
            connections.append(Connection(sock))
            connections[-1].start()


if __name__ == "__main__":
    main()
