"""Metrics of services, instances, endpoints and the relations between them, as pages and GraphQL ask for them.

    metrics = Metrics(store)
    metrics.services(start_s, end_s)                    # {"nginx": Figures}
    metrics.instances("nginx", start_s, end_s)          # {"nginx@node-a": Figures}
    metrics.endpoints("nginx", start_s, end_s)          # {"GET:/users/{id}": Figures}
    metrics.topology(start_s, end_s).calls              # Call(source, target, client, server): either view may be None
    metrics.figures(Entity("nginx"), start_s, end_s)    # one entity; of a relation the client's view and the server's
    metrics.history(Entity("nginx"), start_s, end_s, 60)
    metrics.series("kubernetes_service_http_call_cpm", Entity("nginx"), start_s, end_s, 60)
    metrics.sparked(Kind.ENDPOINT, metrics.span(from_ns, to_ns), "nginx")   # {"GET:/users/{id}": Sparked}
    metrics.bars("nginx", None, span)                   # [Figures, …]
    metrics.top("kubernetes_service_apdex", 10, start_s, end_s, ascending=True)

`Figures` is what all of them are made of: sums by name (`figures["write_bytes"]`, the names are in figures.py) and the
durations of calls as buckets (`figures.percentiles_ns([0.5, 0.99])`, exact to 1 %). Figures add up: over time, over
entities. A relation is told by either end; its client's figures and its server's are never added: what they differ by
is the network. An average is taken over what was measured: `figures.average("write_l3_ns")`.

What is in a minute: exchanges that started in it, with their socket operations; connections opened, closed and used
otherwise in it. A call is an exchange whose request is known, a failure one with a status of 500 and above or without a
response. Names of peers without a name are their addresses; `(other)` is what was beyond a bound.

figures.py    sums and durations with names
catalogue.py  OAP's metrics by name, as formulas over figures
entity.py     who has metrics
read.py       rows of the store: minutes, hours, days
span.py       a span of time in whole steps, and its bars
topology.py   who talks to whom
query.py      `Metrics`

The store writes them: rover/backend/store/metrics.
"""

from rover.backend.metrics.catalogue import METRICS, Metric
from rover.backend.metrics.entity import Entity
from rover.backend.metrics.figures import Figures, total
from rover.backend.metrics.query import POINTS, Metrics, Ranked, Sparked
from rover.backend.metrics.span import Span
from rover.backend.metrics.topology import Call, Node, Topology
from rover.backend.store.metrics.kinds import OTHER, UNKNOWN

__all__ = [
    "METRICS",
    "OTHER",
    "POINTS",
    "UNKNOWN",
    "Call",
    "Entity",
    "Figures",
    "Metric",
    "Metrics",
    "Node",
    "Ranked",
    "Span",
    "Sparked",
    "Topology",
    "total",
]
