/**
 * The points of a record's timeline as segments: what was going on between two neighbours, and in which layer. The same
 * rules as `rover/cli/timeline.py` and `reporters/src/timeline.rs`: `tests/waterfall/cases.json` holds all three to them.
 */
import type { Exchange, Side } from "../api/types";

export type Layer = "application" | "tls" | "socket" | "tcp" | "ip" | "netfilter" | "queue" | "device" | "network" | "wait";

/** The names people read, the same everywhere and in this order. */
export const LAYER_NAME: Record<Layer, string> = {
  application: "application",
  tls: "TLS",
  socket: "socket",
  tcp: "TCP (L4)",
  ip: "IP (L3)",
  netfilter: "netfilter",
  queue: "queue (L2)",
  device: "device",
  network: "network",
  wait: "wait",
};

export interface Segment {
  layer: Layer;
  what: string;
  startNs: number;
  endNs: number;
}

type Span = readonly [Layer, string];

/** What of a record the segments are made from. */
export type Timed = Pick<Exchange, "timeline" | "side" | "first_byte_ns" | "duration_ns">;

/** Points on the way of what comes in; all others are of what goes out. */
const INWARD = new Set(["nic_in", "ip_in", "tcp_in", "read", "tls_read", "read_end"]);

function inward(start: string, end: string, message: string): Span {
  if (start === "nic_in" && end === "ip_in") return ["device", "from the device to IP"];
  if (start === "nic_in" && end === "tcp_in") return ["ip", "from the device through IP"];
  if (start === "ip_in" && end === "tcp_in") return ["ip", "through IP"];
  if (start === "nic_in" || start === "ip_in") return ["wait", "through the kernel until read"];
  if (start === "tcp_in") return ["wait", "in the socket's queue until read"];
  if (start === "read_end") return ["wait", `until more of the ${message} came`];
  return ["socket", `reading the ${message}`];
}

function outward(start: string, end: string, message: string): Span {
  if (end === "write_end" || start === "last_nic_out") return ["socket", `writing the ${message}`];
  if (start === "write_end") return ["wait", "in queues until the packets left"];
  if (start === "nic_out" && end === "last_nic_out") return ["socket", "writing on until the last packet left"];
  if (start === "write" && end === "tcp_out") return ["socket", "into the kernel"];
  if ((start === "write" || start === "tcp_out") && end === "ip_out") return ["tcp", "through TCP"];
  if (start === "write" || start === "tcp_out") return ["tcp", "through TCP and IP"];
  if (start === "ip_out") return ["ip", "through IP"];
  if (start === "queue_out") return ["queue", "in the device's queue"];
  return ["socket", `writing the ${message}`];
}

function between(side: Side, start: string, end: string): Span {
  const [incoming, outgoing] = side === "server" ? ["request", "response"] : ["response", "request"];
  if (end === "tls_read") return ["tls", `decrypting the ${incoming}`];
  if (start === "tls_write") return ["tls", `encrypting the ${outgoing}`];
  if (INWARD.has(start)) {
    if (INWARD.has(end)) return inward(start, end, incoming);
    if (end === "write" || end === "tls_write") return ["application", "the application at work"];
    return ["socket", `writing the ${outgoing}`];
  }
  if (!INWARD.has(end)) return outward(start, end, outgoing);
  if (end === "read_end") return ["socket", `reading the ${incoming}`];
  return side === "server" ? ["wait", "until more of the request came"] : ["network", "network and the other end"];
}

/** Segments in the order of time; those without duration are left out. Empty if nothing is known. */
export function segments(exchange: Timed): Segment[] {
  const points = exchange.timeline;
  if (points.length < 2) return halves(exchange);
  return points.slice(0, -1).flatMap(([name, startNs], index): Segment[] => {
    const [next, endNs] = points[index + 1] ?? [name, startNs];
    const [layer, what] = between(exchange.side, name, next);
    return endNs > startNs ? [{ layer, what, startNs, endNs }] : [];
  });
}

/** Without a timeline the time to the first byte still divides the exchange in two. */
function halves({ side, first_byte_ns, duration_ns }: Timed): Segment[] {
  if (duration_ns === null || first_byte_ns === null) return [];
  const isServer = side === "server";
  const all: Segment[] = [
    {
      layer: isServer ? "application" : "network",
      what: isServer ? "request and application, until the first byte" : "request, network and the other end",
      startNs: 0,
      endNs: first_byte_ns,
    },
    { layer: "socket", what: isServer ? "writing the response" : "reading the response", startNs: first_byte_ns, endNs: duration_ns },
  ];
  return all.filter((segment) => segment.endNs > segment.startNs);
}
