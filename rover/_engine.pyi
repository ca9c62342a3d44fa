"""The native part of rover: drain, parsers, pairing, encoders and streams. Private: the packages of `rover` use it.

Anything structured crosses the border as JSON text, anything per record stays on the native side."""

from rover.backend.options import Row

class KernelUnsupported(RuntimeError):
    """The kernel lacks a feature, or this process a privilege, without which nothing can be captured."""

    feature: str
    """What is missing, for a person."""
    needs: str
    """What to do about it."""

class ProgramRejected(RuntimeError):
    """The kernel's verifier refused a program that it should accept: a bug to report with this text."""

class Engine:
    """Captures on this machine. Make one, add outputs, start it, confirm processes, stop it."""

    def __init__(self, options: str) -> None:
        """`options`: JSON object, made by `rover.daemon.options`. ValueError if it cannot be used."""

    def start(self) -> None:
        """Load and attach everything, start the drain thread. Raises KernelUnsupported or ProgramRejected."""

    def hooks(self) -> str:
        """JSON list of `{"hook", "mode", "attached", "feeds", "reason"}`."""

    def tls(self) -> str:
        """JSON object about TLS libraries.

        `{"enabled", "reason", "libraries", "blind_windows", "covered", "inspected", "inspect_ns", "attach_ns",
        "mappings", "mappings_lost", "unreachable"}`. A library: `{"path", "device", "inode", "kind", "version",
        "linkage", "build_id", "functions", "cost", "attached", "reason", "notes", "processes",
        "ciphertext_processes", "calls_checked", "calls_odd"}`. A blind window:
        `{"pid", "comm", "path", "blind_ns", "time_ns", "is_older"}`: how long a process could call a library before its
        probes were there; `covered` processes had none."""

    def take_processes(self, timeout_ms: int) -> list[tuple[str, int, int, int, str, str, int, list[str]]]:
        """Waits for processes to decide on, at most `timeout_ms`, without the GIL.

        Each is `("fork" | "exec" | "exit", pid, parent, time_ns, comm, executable, uid, arguments)`, in the order in
        which they happened; time since boot; executable (the name given to execve) and arguments only with exec, else
        empty."""

    def confirm(self, pid: int, is_watched: bool, identity: str | None, since_ns: int) -> None:
        """Decide on a process: releases or discards what was held for it. The last decision counts.

        `since_ns`: time of the fork or exec decided on; ignored if the process has become another program since.

        `identity`: JSON object as in a record."""

    def watch_existing(self, pids: list[int]) -> None:
        """Watch processes that run already; they come out of take_processes as `exec`."""

    def end_unseen(self, pids: list[int], listed_ns: int) -> None:
        """Forget processes that did not run at that time since boot: their ends were not told."""

    def name_addresses(self, changes: list[tuple[str, int, int, str | None]]) -> None:
        """Others have these addresses from a time on: `(address, port, since_ns, identity)`.

        Port 0: whatever the port. `since_ns`: since boot. `identity`: JSON object as in a record, None: nobody that is
        known. What began before keeps the name from before. ValueError for what is no address."""

    def govern(self, level: int) -> None:
        """Give up: 0 nothing, 1 bodies framed within themselves, 2 also the layers, 3 also 7 of 8 connections."""

    def reconfigure(self, options: str) -> None:
        """Take over filters, query, kept headers, head size and the time of unfinished exchanges; the rest is ignored.

        `options` as at the making. ValueError if it cannot be used."""

    def add_output(self, fd: int, format: str, options: str) -> None:
        """Write records to a file descriptor. `format`: json, text or combined.

        `options`: JSON `{"color", "width", "micros", "zone"}`. ValueError if they cannot be used."""

    def add_oap(self, options: str) -> None:
        """Send records to an OAP. JSON `{"addresses", "token", "node_name", "unknown_end", "connection_seconds", "tls",
        "spool"}`. `tls`, if there: `{"ca_file", "cert_file", "key_file", "server_name"}`; `spool`, if there: `{"path",
        "bytes", "hours"}`. ValueError if they cannot be used."""

    def add_otlp(self, options: str) -> None:
        """Send spans and metrics to an OpenTelemetry collector. JSON `{"endpoints", "protocol", "headers", "tls",
        "node_name", "traces", "metrics", "is_compressed", "queue_bytes", "batch_bytes", "batch_seconds",
        "metrics_seconds", "answer_seconds", "connection_seconds"}`. ValueError if they cannot be used."""

    def add_traffic(self) -> None:
        """Sum up the traffic by service from now on; an output beside this one takes the records."""

    def traffic(self) -> str:
        """JSON list of `{"service", "side", "http", "tcp"}`, at any moment. Each of `http`: `{"status", "requests",
        "errors", "buckets", "sum_ns"}`, by class of status (`2xx`, `none`); buckets by the bounds of
        `rover.telemetry.traffic`. `tcp`: `{"sent_bytes", "received_bytes", "retransmits", "opened", "failed",
        "closed"}`; retransmits is null where no hook shows them."""

    def add_file(self, options: str) -> None:
        """Append records to a file. JSON `{"path", "format", "rotate_bytes", "rotate_hours", "keep"}`; not rotated by
        what is 0. ValueError if it cannot be opened."""

    def reopen_files(self) -> None:
        """Open the files of add_file anew, by their paths: somebody has renamed them."""

    def outputs(self) -> str:
        """JSON object `{"oap", "files", "otlp"}`, at any moment, also while the engine does not run.

        Each of `oap`: `{"backend", "away_seconds", "last_error", "spooled_records", "spool_error"}`. Each of `files`:
        `{"path", "written", "dropped", "rotations", "error"}`, in records."""

    def add_rows(self) -> None:
        """Keep rows for take_rows."""

    def take_rows(self, timeout_ms: int, most: int) -> list[Row]:
        """Up to `most` rows; waits at most `timeout_ms` for the first, without the GIL."""

    def ledger(self) -> str:
        """JSON object: captured, reported, in_flight, and a count per cause of all the rest."""

    def maybe_pulse_s(self) -> float | None:
        """Seconds since the drain thread began its last round; None unless it runs. Asks nobody: it answers always."""

    def stats(self) -> str:
        """JSON object: events, connections, lag, queues, operations by service, BPF run time, what was sent."""

    def record_to(self, path: str, most_bytes: int) -> None:
        """Write the raw event stream to a file, at most `most_bytes`. OSError if it cannot be opened."""

    def stop(self, timeout_s: float) -> str:
        """Drain what is in flight, flush the outputs, detach; the final ledger."""

def replay(path: str, fd: int, format: str, options: str, engine_options: str = "{}") -> str:
    """The same engine over a recording. Returns the ledger. OSError or ValueError if the file cannot be used."""

def keep_needed_privileges(extra: list[str]) -> None:
    """Give up, for good, all capabilities that rover has no use for, but `extra`, and the way to get new ones by exec.

    `extra`: CAP_DAC_OVERRIDE, CAP_NET_BIND_SERVICE. OSError: other threads run already, or what the kernel says."""

def probe(options: str) -> str:
    """What this kernel allows with the options of an engine, as a JSON object:
    `{"hooks", "kernel", "privileges", "figures", "programs", "tls", "load_ms", "error"}`, where `tls` is what
    `Engine.tls` gives. ValueError for bad options."""

def unread_tls(pids: list[int]) -> str:
    """TLS libraries that these processes have mapped and no probe can read, as a JSON object by process:
    `[{"path", "kind", "version", "reason"}]`. A process without any, or gone, is not in it."""

class Ingest:
    """The backend's gRPC server."""

    def __init__(self, address: str, options: str) -> None:
        """`address`: HOST:PORT; `options`: JSON object."""

    def start(self) -> int:
        """Listen; returns the port. OSError if the address cannot be used, ValueError: the files of TLS cannot."""

    def renew_certificate(self) -> None:
        """Read certificate and key again, for the connections from now on. ValueError: they cannot be used, and what
        was there stays."""

    def take_rows(self, timeout_ms: int, most: int) -> list[Row]:
        """Up to `most` rows; waits at most `timeout_ms` for the first, without the GIL."""

    def stats(self) -> str:
        """JSON object of counters."""

    def stop(self) -> None:
        """Stop listening, end the streams."""

Share = tuple[int, int, str, str, str, str, bytes]
"""Figures to add: minute (Unix seconds), kind, service, instance or endpoint, peer service, peer instance, figures."""

class MetricFolder:
    """Folds batches of records into figures by entity and minute; keeps nothing between them but what it learned of
    paths."""

    def __init__(self, options: str) -> None:
        """`options`: JSON object: `patterns` of endpoints, `apis` (`service`, `paths`), `learn_after`. ValueError says
        which is wrong."""

    def start_sampling(self, per_second: float, left_out: list[bytes]) -> None:
        """Exchanges of which more are not all stored, and ids (16 bytes each) of those left out before, oldest
        first."""

    def sample(self, rows: list[Row], now_s: float) -> bytes:
        """For each row of a batch that came at `now_s` of a monotonic clock: 0 left out, 1 failed, 2 slow, 3 rare,
        4 ordinary, 5 left out before."""

    def news(self) -> str | None:
        """What was learned of paths, if there is news since the last call."""

    def recall(self, news: str) -> None:
        """Take over what `news` told in a run before; anything else is passed by."""

    def fold(self, times_ns: list[int], records: list[str], first_s: int, end_s: int) -> tuple[list[Share], int, int]:
        """Shares of these records, how many lie outside of the minutes from `first_s` to before `end_s`, and how many
        are no records. Without the GIL."""

class Figures:
    """Sums, and durations as buckets."""

    def __init__(self) -> None:
        """Of nothing."""

    def __add__(self, value: Figures) -> Figures:
        """Both together."""

    def column(self, number: int) -> int:
        """The sum at this place in `figure_columns`. IndexError: there is none."""

    def columns(self, numbers: list[int]) -> list[int]:
        """The sums at these places. IndexError: there is none."""

    def buckets(self) -> dict[int, int]:
        """How many durations are in each bucket."""

    def ranked(self, shares: list[float]) -> list[int | None]:
        """The bucket of the smallest duration that such a share of all is not above; None without any."""

def add_figures(stored: list[bytes | None], shares: list[list[bytes]]) -> list[bytes]:
    """All shares of a place added to what is stored there. ValueError: not figures."""

def pack_figures(stored: list[bytes | None], told: list[list[str]]) -> list[bytes]:
    """What these texts tell added to the pack of each place. Texts have `start,entity,FIGURES` for each row, figures in
    hexadecimal, with `;` between; entity 0 is a pack. ValueError: no such text, or not figures."""

def told_by_entity(texts: list[str], only: int | None) -> dict[int, Figures]:
    """Figures of each entity, or of one alone. ValueError as above."""

def told_by_step(texts: list[str], only: int | None, step_s: int) -> dict[int, Figures]:
    """Figures of each step of so many seconds, by how many of them lie between 1970 and it. ValueError as above."""

def told_column(texts: list[str], step_s: int, column: int) -> dict[tuple[int, int], int]:
    """One sum, by its place in `figure_columns`, of each entity and step. ValueError as above."""

def stored_records(blocks: str, numbers: list[int]) -> list[bytes | None]:
    """Records of these numbers, in this order, out of blocks: `first,size,BLOCK` for each, the block in hexadecimal,
    with `;` between. None: the block is damaged, or not there. Without the GIL."""

def topology_json(
    client: list[str],
    server: list[str],
    services: list[str],
    entities: str,
    around: str | None,
    watched_s: float,
    span: str,
) -> bytes:
    """The map as the API answers it, without the GIL, of what is told of relations by either end and of services.
    `entities`: `[number, kind, owner, name, peer]` of services, addresses and relations as JSON; `span`: the member of
    that name as JSON. ValueError: not figures."""

def figure_columns() -> list[str]:
    """Names of the sums in figures."""
