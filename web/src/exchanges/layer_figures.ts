/**
 * The kernel's figures of one record, by layer. The same rows as `rover/cli/layer_figures.py`: `tests/waterfall/cases.json`
 * holds both to them.
 */
import type { Kernel } from "../api/types";
import type { Layer } from "./timeline";

export type FigureKind = "count" | "bytes" | "ns" | "text";

/** null: not measured. false: there is no such figure in this direction. */
export type Cell = number | string | false | null;

export interface FigureRow {
  layer: Layer;
  what: string;
  kind: FigureKind;
  sent: Cell;
  received: Cell;
  /** Why a figure that is null was not measured, as sent and as received. */
  why: readonly [string, string];
}

/** Names of `kernel.write` or `kernel.read`: the first less the others, of which those with "?" may be unknown. */
type Source = readonly string[];

const NONE: Source = [];

const ROWS: readonly (readonly [Layer, string, FigureKind, Source, Source])[] = [
  ["socket", "operations", "count", ["operations"], ["operations"]],
  ["socket", "bytes", "bytes", ["bytes"], ["bytes"]],
  ["socket", "in the system call", "ns", ["syscall_ns"], ["syscall_ns"]],
  ["tcp", "packets", "count", ["packets"], ["packets"]],
  ["tcp", "bytes of packets", "bytes", ["packet_bytes"], ["packet_bytes"]],
  ["tcp", "retransmits", "count", ["retransmits"], NONE],
  ["tcp", "with the layers inside", "ns", ["l4_ns"], NONE],
  ["tcp", "by itself", "ns", ["l4_ns", "l3_ns"], ["l4_ns"]],
  ["ip", "with the layers inside", "ns", ["l3_ns"], ["l3_ns"]],
  ["ip", "by itself", "ns", ["l3_ns", "l2_ns", "?netfilter_ns"], ["l3_ns", "l4_ns", "?netfilter_ns"]],
  ["ip", "local", "ns", ["l3_local_ns"], ["l3_local_ns"]],
  ["ip", "output", "ns", ["l3_output_ns"], NONE],
  ["ip", "receive", "ns", NONE, ["l3_receive_ns"]],
  ["ip", "address resolutions", "count", ["resolve_count"], NONE],
  ["ip", "address resolution", "ns", ["resolve_ns"], NONE],
  ["netfilter", "runs", "count", ["netfilter_count"], ["netfilter_count"]],
  ["netfilter", "by itself", "ns", ["netfilter_ns"], ["netfilter_ns"]],
  ["queue", "entries", "count", ["queue_entries"], NONE],
  ["queue", "with the device", "ns", ["l2_ns"], NONE],
  ["queue", "by itself", "ns", ["l2_ns", "l2_send_ns"], NONE],
  ["queue", "until the device took it", "ns", ["l2_ready_ns"], NONE],
  ["queue", "from arrival to the socket", "ns", NONE, ["l2_to_queue_ns"]],
  ["device", "interface", "text", ["interface"], ["interface"]],
  ["device", "sending", "ns", ["l2_send_ns"], NONE],
  ["wait", "in the socket's queue", "ns", NONE, ["queue_wait_ns"]],
];

/** What takes no fentry; the rest is not there on a kernel, or in a mode, that has tracepoints alone. */
const BY_TRACEPOINT = new Set([
  "operations",
  "bytes",
  "packets",
  "packet_bytes",
  "retransmits",
  "l2_ready_ns",
  "l2_send_ns",
  "queue_entries",
  "interface",
  "l2_to_queue_ns",
  "queue_wait_ns",
]);

type Sums = Record<string, unknown>;

function cell(sums: Sums | undefined, source: Source): Cell {
  const [first, ...inner] = source;
  if (first === undefined) return false;
  const whole = sums?.[first] ?? null;
  if (typeof whole === "string") return whole;
  if (typeof whole !== "number") return null;
  let left = whole;
  for (const name of inner) {
    const part = sums?.[name.replace("?", "")];
    if (typeof part === "number") left -= part;
    else if (!name.startsWith("?")) return null;
  }
  // Less than nothing: packets were handled elsewhere than where the sum was taken, so the difference says nothing.
  return left < 0 ? null : left;
}

function why(sums: Sums | undefined, source: Source): string {
  if (sums === undefined) return "no socket operation of this direction was measured";
  const missing = source.filter((name) => !name.startsWith("?") && sums[name] === undefined);
  if (missing.length === 0) return "the layers inside took longer than the whole: packets were handled elsewhere";
  if (missing.every((name) => BY_TRACEPOINT.has(name))) return "its hook is not attached, or a packet was not seen";
  return "no fentry on this kernel, or not used by rover here";
}

/** Every figure that there can be, in the order of the layers; of a record without sums none. */
export function figureRows(kernel: Kernel | undefined): FigureRow[] {
  const [write, read]: (Sums | undefined)[] = [kernel?.write, kernel?.read];
  if (write === undefined && read === undefined) return [];
  return ROWS.map(([layer, what, kind, sent, received]) => ({
    layer,
    what,
    kind,
    sent: cell(write, sent),
    received: cell(read, received),
    why: [why(write, sent), why(read, received)],
  }));
}

/** Whether anything below the socket was measured. */
export function isBelowSocketKnown(rows: readonly FigureRow[]): boolean {
  return rows.some(({ layer, sent, received }) => layer !== "socket" && [sent, received].some((one) => one !== null && one !== false));
}

/** What the kernel threw away, in its own words: `3 × NO_SOCKET in tcp_v4_rcv`. */
export function drops(kernel: Kernel | undefined): string[] {
  return (kernel?.write?.drops ?? []).map(({ count, reason, location }) => `${count} × ${reason} in ${location}`);
}
