"""nginx as a server under observation, its access log as the truth."""

import json
import os
import pwd
import signal
import subprocess
from pathlib import Path
from typing import Any

from .deadline import wait_until
from .exchange import ANY, Exchange

LOG_FORMAT = (
    '{"connection":$remote_port,"number":$connection_requests,"method":"$request_method","target":"$request_uri",'
    '"status":$status,"body":$body_bytes_sent,"bytes":$bytes_sent,"request_bytes":$request_length,'
    '"request_body":"$content_length","protocol":"$server_protocol","framing":"$sent_http_transfer_encoding",'
    '"request_framing":"$http_transfer_encoding"}'
)

CONFIGURATION = """\
daemon off;
worker_processes {workers};
pid {folder}/pid;
error_log {folder}/error.log warn;
events {{ worker_connections 4096; }}
http {{
    log_format truth escape=json '{log_format}';
    {log}
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    default_type text/plain;
    keepalive_requests 10000000;
    client_max_body_size 64m;
    {http}
    server {{
        listen {port}{listen};
        listen [::]:{port} {ipv6}{listen};
        root {folder}/files;
        location = /small {{ return 200 "hello\\n"; }}
        location = /nothing {{ return 204; }}
        location = /moved {{ return 301 /small; }}
        location = /found {{ return 302 /small; }}
        location = /gone {{ return 410; }}
        location /requests {{ stub_status; }}
        {server}
    }}
}}
"""


class Nginx:
    """A running nginx, used with `with`. What is below `files` is served; the locations of CONFIGURATION are there.

    `is_dual` lets one IPv6 socket take IPv4 too, so that the server's sockets are IPv4-mapped. `listen`: words for the
    directive of that name, for instance `http2`.
    """

    def __init__(
        self,
        folder: Path,
        port: int,
        http: str = "",
        server: str = "",
        workers: int = 1,
        is_dual: bool = False,
        has_log: bool = True,
        listen: str = "",
    ) -> None:
        self.folder = folder
        self.files = folder / "files"
        self.port = port
        self.log = folder / "access.log"
        self.tls_url = ""
        """Where it speaks TLS on a port of its own, if `server` says so."""
        self.prefix: tuple[str, ...] = ()
        """Words before the command line, for instance to enter a network namespace."""
        for name in ("files", "body", "proxy", "fastcgi", "uwsgi", "scgi"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        text = CONFIGURATION.format(
            folder=folder,
            workers=workers,
            log_format=LOG_FORMAT,
            log=f"access_log {self.log} truth;" if has_log else "access_log off;",
            port=self.port,
            listen=f" {listen}" if listen else "",
            ipv6="ipv6only=off" if is_dual else "ipv6only=on",
            http=http,
            server=server,
        )
        if is_dual:
            text = text.replace(f"listen {self.port}{' ' + listen if listen else ''};\n", "\n")
        # Workers of another user could not read the files of a test.
        text = f"user {pwd.getpwuid(os.geteuid()).pw_name};\n{text}" if os.geteuid() == 0 else text
        (folder / "nginx.conf").write_text(text)

    def __enter__(self) -> "Nginx":
        command = [*self.prefix, "nginx", "-p", str(self.folder), "-c", str(self.folder / "nginx.conf")]
        with (self.folder / "stderr.log").open("wb") as errors:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=errors)
        # It writes this once all its listeners are there; one of IPv4 may be there before that of IPv6.
        wait_until((self.folder / "pid").exists, "nginx")
        return self

    def __exit__(self, *_: object) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(10)

    def url(self, path: str, host: str = "127.0.0.1") -> str:
        """URL of a path on this server."""
        return f"http://{host}:{self.port}{path}"

    def worker_pids(self) -> list[int]:
        """Process ids of the workers."""
        master = (self.folder / "pid").read_text().strip()
        return [int(pid) for pid in Path(f"/proc/{master}/task/{master}/children").read_text().split()]

    def lines(self) -> list[dict[str, Any]]:
        """The access log so far; a line not yet ended is left for the next time."""
        text = self.log.read_text() if self.log.exists() else ""
        return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]

    def truth(self, count: int, seconds: float = 10.0) -> list[Exchange]:
        """What the access log tells once it has `count` lines: nginx writes them after the response."""
        wait_until(lambda: len(self.lines()) >= count, f"{count} lines in nginx's log", seconds)
        return [told_by_log(line) for line in self.lines()]


def told_by_log(line: dict[str, Any]) -> Exchange:
    """The exchange that a line of the access log tells of.

    nginx counts what it sent: of a chunked body the framing too, so the body's size is left open there, and the whole
    response's is not. Of a request it does not count a body that it throws away. Of HTTP/2 it counts neither the
    heads of a request's frames nor those that are not of the message.
    """
    is_http2 = line["protocol"] == "HTTP/2.0"
    is_chunked = line["framing"] == "chunked"
    request_body = ANY if line["request_framing"] == "chunked" else int(line["request_body"] or 0)
    return Exchange(
        method=line["method"],
        path=line["target"].partition("?")[0],
        status=line["status"],
        request_body=request_body,
        response_body=ANY if is_chunked else line["body"],
        request_bytes=ANY if is_http2 or int(line["request_body"] or 0) else line["request_bytes"],
        response_bytes=line["bytes"],
        protocol="HTTP/2" if is_http2 else line["protocol"],
        connection=line["connection"],
        number=line["number"],
    )
