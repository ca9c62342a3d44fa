/** Shapes of the backend's JSON API. Times in nanoseconds, sizes in bytes; null is "not measured", never zero. */

export interface Figures {
  calls: number;
  calls_per_minute: number;
  /** Share of calls with a status below 500, 0…1; null without calls. */
  success_rate: number | null;
  p50_ns: number | null;
  p95_ns: number | null;
  p99_ns: number | null;
  bytes_per_second: number | null;
  /** Calls per bucket; the buckets divide the asked time range evenly. */
  spark: number[];
}

export interface Service extends Figures {
  name: string;
}

export interface Endpoint extends Figures {
  method: string | null;
  path: string | null;
}

export type Side = "server" | "client";

export interface Identity {
  service?: string;
  instance?: string;
  process?: string;
  pid?: number;
  executable?: string;
  unit?: string;
  container?: { id: string; name?: string; runtime?: string };
  kubernetes?: {
    namespace?: string;
    pod?: string;
    node?: string;
    workload?: string;
    workload_kind?: string;
    labels?: Record<string, string>;
  };
}

export interface Peer {
  address: string;
  port: number;
  identity: Identity | null;
}

export interface Message {
  bytes: number | null;
  head_bytes: number | null;
  body_bytes: number | null;
  headers?: Record<string, string>;
  trailers?: Record<string, string>;
}

/** One direction's sums over socket operations; a figure that no hook feeds is absent. */
export type KernelSums = Record<string, number | string | null | unknown[]>;

/** One access-log record: an HTTP exchange as one side of its connection saw it. */
export interface Exchange {
  id: string;
  time: string;
  start_ns: number;
  end_ns: number;
  duration_ns: number | null;
  first_byte_ns: number | null;
  side: Side;
  protocol: string;
  kind: string;
  tls: { library: string; version: string | null } | null;
  method: string | null;
  scheme: string | null;
  host: string | null;
  path: string | null;
  query: string | null;
  status: number | null;
  interim: number[];
  grpc: { service: string; method: string; status: number | null } | null;
  request: Message;
  response: Message;
  local: Peer;
  remote: Peer;
  connection: {
    id: string;
    exchange: number;
    stream: number | null;
    role: Side;
    opened_ns: number | null;
    handshake_ns: number | null;
    rtt_ns: number | null;
  };
  kernel?: { write?: KernelSums | null; read?: KernelSums | null } | null;
  timeline: [string, number][];
  trace: {
    format: string;
    trace_id: string;
    span_id: string | null;
    sampled: boolean | null;
  } | null;
  flags: string[];
}

/** `captured = reported + in_flight + Σ causes`; every further key is a cause with its count. */
export type Ledger = Record<string, number>;

export interface Hook {
  hook: string;
  mode: string;
  attached: boolean;
  feeds: string;
  reason: string | null;
}

export interface Cost {
  cpu_percent: number | null;
  rss_bytes: number | null;
  bpf_ns_per_exchange: number | null;
}

export interface Node {
  ledger: Ledger;
  hooks: Hook[];
  cost: Cost;
  uptime_s: number;
  version: string;
  watched_processes: number | null;
}
