/** The points of a record's timeline as segments: what was going on between two neighbours, and in which layer. */
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

/** What follows a point, by its name: server and client side alike where the kernel's way is the same. */
const AFTER: Record<string, Span> = {
  nic_in: ["device", "from the device to IP"],
  ip_in: ["ip", "through IP"],
  tcp_in: ["wait", "in the socket's queue until read"],
  tls_read: ["tls", "decrypting"],
  tls_write: ["tls", "encrypting"],
  tcp_out: ["tcp", "through TCP"],
  ip_out: ["ip", "through IP"],
  queue_out: ["queue", "in the device's queue"],
  nic_out: ["device", "through the device"],
};

/** Where the meaning depends on the side. */
const AFTER_ON: Record<Side, Record<string, Span>> = {
  server: {
    read: ["socket", "reading the request"],
    read_end: ["application", "the application at work"],
    write: ["socket", "writing the response"],
    write_end: ["device", "until the last packet left"],
  },
  client: {
    write: ["socket", "writing the request"],
    write_end: ["network", "network and the other end"],
    last_nic_out: ["network", "network and the other end"],
    read: ["socket", "reading the response"],
  },
};

function after(name: string, next: string, side: Side): Span {
  // While the response is still being written, packets pass between; what lies before the end of writing is the socket's.
  if (next === "write_end" && name !== "write") return ["socket", side === "server" ? "writing the response" : "writing the request"];
  if (side === "client" && (next === "read" || next === "nic_in") && !AFTER_ON.client[name]) return ["network", "network and the other end"];
  return AFTER_ON[side][name] ?? AFTER[name] ?? ["wait", `after ${name}`];
}

/** Segments between neighbouring points; those without duration are left out. */
export function segments(exchange: Pick<Exchange, "timeline" | "side" | "first_byte_ns" | "duration_ns">): Segment[] {
  const points = exchange.timeline;
  if (points.length < 2) return coarse(exchange);
  return points.slice(0, -1).flatMap(([name, startNs], index): Segment[] => {
    const [next, endNs] = points[index + 1] ?? [name, startNs];
    const [layer, what] = after(name, next, exchange.side);
    return endNs > startNs ? [{ layer, what, startNs, endNs }] : [];
  });
}

/** Without a timeline the time to the first byte still divides the exchange in two. */
function coarse({ side, first_byte_ns, duration_ns }: Pick<Exchange, "side" | "first_byte_ns" | "duration_ns">): Segment[] {
  if (duration_ns === null || first_byte_ns === null || duration_ns <= 0) return [];
  const isServer = side === "server";
  const all: Segment[] = [
    {
      layer: isServer ? "application" : "network",
      what: isServer ? "request and application, until the first byte" : "request, network and the other end, until the first byte",
      startNs: 0,
      endNs: first_byte_ns,
    },
    { layer: "socket", what: isServer ? "writing the response" : "reading the response", startNs: first_byte_ns, endNs: duration_ns },
  ];
  return all.filter((segment) => segment.endNs > segment.startNs);
}

/** Round marks of an axis of this length: four to eight of them, at 1, 2 or 5 times a power of ten. */
export function ticks(lengthNs: number): number[] {
  if (lengthNs <= 0) return [0];
  const raw = lengthNs / 5;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((size) => size >= raw) ?? raw;
  return Array.from({ length: Math.floor(lengthNs / step) + 1 }, (_, index) => index * step);
}
