/** A record for tests; `fields` override. */
import type { Exchange } from "../src/api/types";

export function exchange(sequence: number, fields: Partial<Exchange> = {}): Exchange {
  const message = { bytes: 100, head_bytes: 100, body_bytes: 0 };
  return {
    id: sequence.toString(16).padStart(32, "0"),
    time: "2026-11-21T13:03:12.482113907Z",
    start_ns: 1000,
    end_ns: 2000,
    duration_ns: 1000,
    first_byte_ns: 800,
    side: "server",
    protocol: "HTTP/1.1",
    kind: "http",
    tls: null,
    method: "GET",
    scheme: "http",
    host: "cart.local",
    path: "/items",
    query: null,
    status: 200,
    interim: [],
    grpc: null,
    request: message,
    response: message,
    local: { address: "127.0.0.1", port: 8080, identity: { service: "cart" } },
    remote: { address: "::1", port: 40_000, identity: null },
    connection: { id: "00000000000000ff", exchange: 1, stream: null, role: "server", opened_ns: null, handshake_ns: null, rtt_ns: null },
    timeline: [],
    trace: null,
    flags: [],
    ...fields,
  };
}
