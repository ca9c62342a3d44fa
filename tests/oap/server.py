"""A real OAP on free ports of 127.0.0.1, its data in memory: configured, started, asked."""

import json
import os
import shutil
import subprocess
import urllib.error
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.stage.deadline import wait_until
from tests.stage.ports import free_port

from .rules import metrics

START_SECONDS = 240
"""A busy machine takes a minute."""

HOST = "127.0.0.1"

JAVA = (
    # C1 alone and the simplest collector: half of the work of a start.
    *("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xms128m", "-Xmx768m"),
    "-Duser.timezone=UTC",  # minutes are cut in the server's zone
    # No cluster of whoever runs this, and an answer at once when one is looked for.
    *("-Dkubernetes.master=http://127.0.0.1:1", "-Dkubernetes.request.retry.backoffLimit=0"),
    *("-Dkubernetes.auth.tryKubeConfig=false", "-Dkubernetes.auth.tryServiceAccount=false"),
)

LOGGING = """<Configuration status="ERROR">
  <Appenders><Console name="out" target="SYSTEM_OUT"><PatternLayout pattern="%d %-5p %c{1} %m%n"/></Console></Appenders>
  <Loggers><Root level="WARN"><AppenderRef ref="out"/></Root></Loggers>
</Configuration>
"""

COMPONENTS = {"http": 49, "tcp": 110, "https": 129, "tls": 130, "mtls": 142, "ztunnel": 162}
"""What a connection can carry, by the numbers that the receiver gives to it."""


def cache() -> Path:
    """Where `scripts/setup.sh oap` leaves the list of jars."""
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "rover/oap"


def maybe_missing() -> str | None:
    """What has to be there first; None if all is."""
    if shutil.which("java") is None or not (cache() / "classpath.txt").exists():
        return "no OAP here: `scripts/setup.sh oap` fetches it"
    return None


def _module(name: str, provider: str | None = None, **settings: object) -> dict[str, Any]:
    provider = provider or "default"
    return {name: {"selector": provider, provider: settings or {"enabled": True}}}


class Oap:
    """A context manager. `flush_s`: how often OAP writes what it computed."""

    def __init__(self, folder: Path, *, flush_s: int = 3) -> None:
        self._folder, self._flush_s = folder, flush_s
        self.grpc_port, self._rest_port, self._telemetry_port = free_port(), free_port(), free_port()
        self.address = f"{HOST}:{self.grpc_port}"
        self._process: subprocess.Popen[bytes] | None = None

    def _application(self) -> dict[str, Any]:
        core = {
            "role": "Mixed",
            "restHost": HOST,
            "restPort": self._rest_port,
            "restContextPath": "/",
            "gRPCHost": HOST,
            "gRPCPort": self.grpc_port,
            "downsampling": ["Hour", "Day"],
            "persistentPeriod": self._flush_s,
            "enableEndpointNameGroupingByOpenapi": False,
            "enableHierarchy": False,
            "serviceCacheRefreshInterval": 2,
        }
        database = {"jdbcUrl": "jdbc:h2:mem:oap;DB_CLOSE_DELAY=-1;DATABASE_TO_UPPER=FALSE", "dataSource.user": "sa"}
        storage = {"metadataQueryMaxSize": 5000, "maxSizeOfBatchSql": 100, "asyncBatchPersistentPoolSize": 1}
        return {
            **_module("cluster", "standalone"),
            "core": {"selector": "default", "default": core},
            **_module("storage", "h2", properties=database, **storage),
            **_module("ai-pipeline", uriRecognitionServerPort=17128),
            **_module("configuration", "none"),
            **_module("telemetry", "prometheus", host=HOST, port=self._telemetry_port),
            **_module("receiver-sharing-server", restPort=0, gRPCPort=0),
            **_module("receiver-register"),
            **_module("receiver-ebpf", gRPCPort=0),
            **_module("query", "graphql", maxQueryComplexity=100_000),
            **_module("health-checker", checkIntervalSeconds=2),
        }

    def _configure(self) -> Path:
        folder = self._folder / "config"
        components = {name: {"id": number, "languages": "Other"} for name, number in COMPONENTS.items()}
        files = {
            "application.yml": json.dumps(self._application(), indent=1),  # JSON is YAML
            "component-libraries.yml": json.dumps(components | {"Component-Server-Mappings": {}}),
            "endpoint-name-grouping.yml": "grouping: []\n",
            "service-apdex-threshold.yml": "default: 500\n",
            "oal/disable.oal": "// nothing\n",
            "oal/ebpf.oal": "".join(metric.rule() + "\n" for metric in metrics()),
            "log4j2.xml": LOGGING,
        }
        for name, text in files.items():
            file = folder / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        return folder

    def __enter__(self) -> Self:
        path = f"{self._configure()}:{(cache() / 'classpath.txt').read_text().strip()}"
        log = self._folder / "oap.log"
        main = "org.apache.skywalking.oap.server.starter.OAPServerStartUp"
        with log.open("wb") as out:
            self._process = subprocess.Popen(
                ["java", *JAVA, "-cp", path, main], stdout=out, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL
            )
        try:
            wait_until(self._is_healthy, "a healthy OAP", START_SECONDS)
        except BaseException as error:
            self._end()
            error.add_note(log.read_text(errors="replace")[-3000:])
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def _end(self) -> None:
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(15)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def _is_healthy(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, "OAP ended"
        try:
            return bool(self.ask("{checkHealth{score}}")["checkHealth"]["score"] == 0)
        except (OSError, AssertionError):
            return False

    def ask(self, query: str, **variables: object) -> dict[str, Any]:
        """The `data` of an answer; an error of the query is an AssertionError."""
        return ask(f"http://{HOST}:{self._rest_port}", query, **variables)

    def counters(self) -> dict[str, float]:
        """What the receiver counts, by the name without labels."""
        with urllib.request.urlopen(f"http://{HOST}:{self._telemetry_port}/metrics", timeout=20) as answer:
            lines = answer.read().decode().splitlines()
        found: dict[str, float] = {}
        for line in lines:
            if line.startswith("k8s_als"):
                name, value = line.rsplit(" ", 1)
                name = name.partition("{")[0]
                found[name] = found.get(name, 0) + float(value)
        return found


def ask(base: str, query: str, **variables: object) -> dict[str, Any]:
    """The `data` of a GraphQL answer of whoever is at `base`."""
    body = json.dumps({"query": query, "variables": variables}).encode()
    request = urllib.request.Request(f"{base}/graphql", body, {"content-type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            found = json.load(answer)
    except urllib.error.HTTPError as error:
        found = json.load(error)
    assert not found.get("errors"), found["errors"]
    data: dict[str, Any] = found["data"]
    return data
