"""Which metrics the dashboards of SkyWalking's user interface draw, side by side.

Told by suffixes of metrics, since services, instances, endpoints and relations have the same ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Chart:
    """Lines over time."""

    title: str
    """With the unit."""
    lines: Sequence[tuple[str, str]]
    """Label, and an expression in which `$` stands for the beginning of the metrics' names."""


SERVICE = "kubernetes_service_"
INSTANCE = "kubernetes_service_instance_"
ENDPOINT = "kubernetes_service_endpoint_"
CLASSES = ("1xx", "2xx", "3xx", "4xx", "5xx")

SIZES = (
    Chart(
        "Request size (bytes)",
        [("headers", "$http_avg_req_header_size"), ("body", "$http_avg_req_body_size")],
    ),
    Chart(
        "Response size (bytes)",
        [("headers", "$http_avg_resp_header_size"), ("body", "$http_avg_resp_body_size")],
    ),
)
STATUS = Chart("Status (calls/min)", [(each, f"$http_status_{each}_cpm") for each in CLASSES])
LOAD = Chart("Load (calls/min)", [("calls", "$http_call_cpm")])
LATENCY = Chart("Latency (ms)", [("mean", "$http_call_time")])
PERCENTILES = Chart("Latency, percentiles (ms)", [("p", "$percentile")])
APDEX = Chart("Apdex", [("apdex", "$apdex/10000")])
SUCCESS = Chart("Success (%)", [("success", "$http_call_successful_rate/100")])
HTTP_OF_ENDPOINT = (LOAD, LATENCY, SUCCESS, STATUS, *SIZES)
HTTP_WITHOUT_RATE = (LOAD, LATENCY, PERCENTILES, APDEX, STATUS, *SIZES)
HTTP = (*HTTP_WITHOUT_RATE, SUCCESS)
SUCCESS_OF_RELATION = Chart("Success (%)", [("success", "$http_success_cpm/$http_call_cpm*100")])

PACKETS = (
    Chart(
        "Packets sent (a step)",
        [("all", "$write_package_cpm"), ("retransmitted", "$write_retrains_package_cpm")],
    ),
    Chart("Packets received (a step)", [("all", "$read_package_cpm")]),
    Chart("Bytes (a step)", [("sent", "$write_package_size"), ("received", "$read_package_size")]),
)
CONNECTIONS = Chart(
    "Connections (per min)",
    [
        ("connected", "$connect_cpm"),
        ("of these with success", "$connect_success_cpm"),
        ("accepted", "$accept_cpm"),
        ("closed", "$close_cpm"),
    ],
)
OPERATIONS = Chart("Operations (per min)", [("write", "$write_cpm"), ("read", "$read_cpm")])
NETFILTER = (
    Chart("netfilter (a step)", [("sending", "$write_netfilter_cpm"), ("receiving", "$read_netfilter_cpm")]),
    Chart(
        "netfilter, each time (ns)",
        [
            ("sending", "$write_netfilter_duration/$write_netfilter_cpm"),
            ("receiving", "$read_netfilter_duration/$read_netfilter_cpm"),
        ],
    ),
)
SENDING = [
    ("L4", "$write_l4_time"),
    ("L3", "$write_l3_time"),
    ("L3 local", "$write_l3_local_time"),
    ("L3 output", "$write_l3_output_time"),
    ("L2", "$write_l2_time"),
]
RECEIVING = [
    ("L4", "$read_l4_time"),
    ("L3", "$read_l3_time"),
    ("L3 receive", "$read_l3_rcv_time"),
    ("L3 local", "$read_l3_local_time"),
]
TCP = (
    CONNECTIONS,
    Chart(
        "Connecting, accepting and closing (ns)",
        [("connect", "$connect_time"), ("accept", "$accept_time"), ("close", "$close_time")],
    ),
    OPERATIONS,
    Chart("Operations (ns)", [("write", "$write_time"), ("read", "$read_time")]),
    *PACKETS,
)
QUEUE_OF = {
    SERVICE: [("ready", "$write_l2_ready_avg_send_duration"), ("device", "$write_l2_net_device_avg_send_duration")],
    INSTANCE: [("ready", "$write_l2_ready_send_time"), ("device", "$write_l2_net_device_send_time")],
}
ENTRIES_OF = {SERVICE: "$write_l2_enter_avg_queue_count", INSTANCE: "$write_l2_avg_enter_queue_count"}


def layers(prefix: str) -> list[Chart]:
    """Of a service or an instance, whose names for the queue differ."""
    return [
        Chart("Sending, by layer (ns)", SENDING),
        Chart("Queue and device (ns)", QUEUE_OF[prefix]),
        Chart("Entries into a queue", [("entries", ENTRIES_OF[prefix])]),
        Chart("Receiving, by layer (ns)", RECEIVING),
        Chart(
            "Waiting to be read (ns)",
            [("to the queue", "$read_package_to_queue_time"), ("in it", "$read_rcv_package_from_queue_time")],
        ),
        *NETFILTER,
        Chart("Neighbour resolution (a step)", [("resolutions", "$resolve_mac_cpm")]),
        Chart("Neighbour resolution, each time (ns)", [("time", "$resolve_mac_duration/$resolve_mac_cpm")]),
    ]


TCP_OF_RELATION = (
    CONNECTIONS,
    Chart(
        "Connecting, accepting and closing (ns)",
        [
            ("connect", "$connect_duration/$connect_cpm"),
            ("accept", "$accept_duration/$accept_cpm"),
            ("close", "$close_duration/$close_cpm"),
        ],
    ),
)
SIDE_OF_RELATION = (
    OPERATIONS,
    Chart(
        "Operations (ns)",
        [("write", "$write_package_duration/$write_cpm"), ("read", "$read_package_duration/$read_cpm")],
    ),
    *PACKETS,
    Chart("Sending, by layer (ns)", SENDING),
    Chart("Queue and device (ns)", [("ready", "$write_l2_ready_send_time"), ("device", "$write_l2_net_dev_send_time")]),
    Chart("Receiving, by layer (ns)", RECEIVING),
    Chart(
        "Waiting to be read (ns)",
        [("to the queue", "$read_l2_package_to_queue_time"), ("in it", "$read_l2_rcv_package_from_queue_time")],
    ),
    *NETFILTER,
    Chart("Neighbour resolution (a step)", [("resolutions", "$write_resolve_mac_cpm")]),
    Chart("Neighbour resolution, each time (ns)", [("time", "$write_resolve_mac_duration/$write_resolve_mac_cpm")]),
)
