/** Reading a record: who asked whom, what its flags mean, and how to ask the same again. */
import type { Exchange, Peer } from "../api/types";

/** What a flag tells about the record's own completeness. */
export const FLAG_MEANING: Record<string, string> = {
  truncated: "The head was longer than what rover keeps; what lies beyond is not in this record.",
  gap: "Bytes of this exchange passed without being seen; sizes and times may be short of the truth.",
  hpack_partial: "Header compression started before rover did; some headers could not be decoded.",
  peer_inferred: "The other end was concluded from what is known, not seen.",
  pre_existing: "The connection is older than rover; when it was opened is not known.",
  tls_unbound: "The plaintext could not be tied to a connection.",
  reset: "The connection, or its stream of HTTP/2, was reset before the exchange was over.",
  no_response: "No response was seen.",
  no_request: "The response was seen without its request.",
  upgraded: "The connection left HTTP after this exchange, for instance for WebSocket.",
  unfinished: "The exchange was still going on when this was recorded.",
  reduced: "Rover was above one of its limits and had given something up: what is missing may have been there.",
};

/** Flags after which figures of the record are in doubt, not merely explained. */
const DOUBTFUL = new Set(["truncated", "gap", "hpack_partial", "tls_unbound", "no_request"]);

export function isDoubtful(flag: string): boolean {
  return DOUBTFUL.has(flag);
}

/** `127.0.0.1:8080`, `[::1]:8080`. */
export function socketAddress(peer: Peer): string {
  if (peer.address === null) {
    return "unknown";
  }
  return peer.address.includes(":") ? `[${peer.address}]:${peer.port}` : `${peer.address}:${peer.port}`;
}

/** The best name there is for an end: service, process, address. A client's port tells nothing where room is scarce. */
export function endName(peer: Peer, otherwise = socketAddress(peer)): string {
  return peer.identity?.service ?? peer.identity?.process ?? otherwise;
}

/** Who asked and who answered, whichever side was observed. */
export function ends(exchange: Exchange): { from: Peer; to: Peer } {
  return exchange.side === "server" ? { from: exchange.remote, to: exchange.local } : { from: exchange.local, to: exchange.remote };
}

/** Host and path as the reader knows them from a browser; the parts that were not seen are left out. */
export function target(exchange: Exchange): string {
  return `${exchange.host ?? ""}${exchange.path ?? ""}${queryText(exchange)}`;
}

/** The query with its question mark, or nothing. */
export function queryText(exchange: Exchange): string {
  return exchange.query === null || exchange.query === "" ? "" : `?${exchange.query}`;
}

export type StatusClass = "none" | "info" | "success" | "redirect" | "client" | "server";

/** Class of a status: what its colour says. */
export function statusClass(status: number | null): StatusClass {
  if (status === null) return "none";
  return (["none", "info", "success", "redirect", "client", "server"] as const)[Math.floor(status / 100)] ?? "none";
}

/** Why there is no status or no duration. */
export function whyUnanswered(exchange: Exchange): string {
  const flag = ["no_response", "reset", "unfinished", "gap"].find((name) => exchange.flags.includes(name));
  return flag === undefined ? "no response was seen" : (FLAG_MEANING[flag] ?? flag);
}

/** By number, as gRPC's own documentation names them. */
const GRPC_STATUS = [
  "OK",
  "CANCELLED",
  "UNKNOWN",
  "INVALID_ARGUMENT",
  "DEADLINE_EXCEEDED",
  "NOT_FOUND",
  "ALREADY_EXISTS",
  "PERMISSION_DENIED",
  "RESOURCE_EXHAUSTED",
  "FAILED_PRECONDITION",
  "ABORTED",
  "OUT_OF_RANGE",
  "UNIMPLEMENTED",
  "INTERNAL",
  "UNAVAILABLE",
  "DATA_LOSS",
  "UNAUTHENTICATED",
];

/** The name of a status of gRPC, or its number where it has none. */
export function grpcStatus(status: number): string {
  return GRPC_STATUS[status] ?? `${status}`;
}

/** Quoted for a POSIX shell: paths and headers are other people's bytes. */
function quoted(text: string): string {
  return /^[\w@%+=:,./?&-]+$/.test(text) && !/[?&]/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}

/** A value that rover masked stands as `*`. */
function isMasked(value: string): boolean {
  return value === "*";
}

/**
 * The exchange's request as a curl command. What was not kept (bodies, masked headers) cannot be repeated: a comment
 * says so. The address is the host as sent, connected to where the answer came from.
 */
export function curl(exchange: Exchange): string {
  const { to } = ends(exchange);
  const method = exchange.method ?? "GET";
  const host = exchange.host ?? socketAddress(to);
  const parts = ["curl"];
  if (method === "HEAD") parts.push("--head");
  else if (method !== "GET") parts.push("-X", quoted(method));
  if (exchange.protocol === "HTTP/1.0") parts.push("--http1.0");
  const url = `${exchange.scheme ?? (exchange.tls === null ? "http" : "https")}://${host}${exchange.path ?? "/"}${queryText(exchange)}`;
  parts.push("--connect-to", quoted(`::${socketAddress(to)}`), "--globoff", "--path-as-is", quoted(url));
  for (const [name, value] of Object.entries(exchange.request.headers ?? {})) {
    if (!isMasked(value)) parts.push("-H", quoted(`${name}: ${value}`));
  }
  const lost: string[] = [];
  if ((exchange.request.body_bytes ?? 0) > 0) lost.push(`the body of ${exchange.request.body_bytes} bytes`);
  if (exchange.query?.includes("*") === true) lost.push("masked query values");
  if (Object.values(exchange.request.headers ?? {}).some(isMasked)) lost.push("masked headers");
  return parts.join(" ") + (lost.length === 0 ? "" : `  # not kept: ${lost.join(", ")}`);
}
