/**
 * Two records of one exchange, of its client and of its server, on one axis with the network between them. The same rules
 * as `rover/cli/both_ends.py`: `tests/waterfall/cases.json` holds both to them.
 */
import type { Exchange } from "../api/types";
import { type Segment, segments, type Timed } from "./timeline";

/** How the two records were brought onto one axis. */
export interface Clocks {
  /** Both ends were seen by one rover, which has one clock. */
  isOne: boolean;
  /** How far the server's clock is ahead of the client's; null: not known, the clocks are taken as they are. */
  offsetNs: number | null;
  /** The offset is known to plus or minus this much. */
  withinNs: number | null;
}

/** Segments of the three lanes, on the axis of the client's record. */
export interface BothEnds {
  client: Segment[];
  network: Segment[];
  server: Segment[];
  clocks: Clocks;
}

export type End = Timed & Pick<Exchange, "id" | "start_ns">;

interface Point {
  ns: number;
  /** It is the network's own edge. */
  isEdge: boolean;
}

/** Points of the first packet, the nearest to the network first. */
const OUT = ["nic_out", "queue_out", "write"];
const IN = ["nic_in", "tcp_in", "read"];

function point(of: End, names: readonly string[], shiftNs = 0): Point | null {
  for (const name of names) {
    const found = of.timeline.find(([at]) => at === name);
    if (found !== undefined) return { ns: found[1] + shiftNs, isEdge: name === names[0] };
  }
  return null;
}

function way(message: string, start: Point | null, end: Point | null): Segment[] {
  if (start === null || end === null || end.ns <= start.ns) return [];
  const where = start.isEdge && end.isEdge ? "on the network" : "through kernel and network";
  return [{ layer: "network", what: `the ${message} ${where}`, startNs: start.ns, endNs: end.ns }];
}

/** The part of the id that is one per run of an engine. */
function run(of: End): string {
  return of.id.slice(16, 24);
}

/** Wall clock of the server's start − that of the client's. */
function wallApartNs(client: End, server: End): number {
  return Number(BigInt(`0x${server.id.slice(0, 16)}`) - BigInt(`0x${client.id.slice(0, 16)}`));
}

/**
 * Where the server's record begins on the client's axis. Of two nodes only the differences on each clock are sure. As NTP
 * does (RFC 5905 §8), the time that the server held the exchange is laid into the middle of the time that the client
 * waited: right if both ways take the same time.
 */
function shift(client: End, server: End): [number, Clocks] {
  if (run(client) === run(server)) return [server.start_ns - client.start_ns, { isOne: true, offsetNs: 0, withinNs: 0 }];
  const byWallNs = wallApartNs(client, server);
  const [left, came, arrived, answered] = [point(client, OUT), point(client, IN), point(server, IN), point(server, OUT)];
  if (left !== null && came !== null && arrived !== null && answered !== null) {
    const spareNs = came.ns - left.ns - (answered.ns - arrived.ns);
    if (spareNs >= 0) {
      const shiftNs = left.ns + Math.floor(spareNs / 2) - arrived.ns;
      return [shiftNs, { isOne: false, offsetNs: byWallNs - shiftNs, withinNs: Math.ceil(spareNs / 2) }];
    }
  }
  return [byWallNs, { isOne: false, offsetNs: null, withinNs: null }];
}

function moved({ layer, what, startNs, endNs }: Segment, byNs: number): Segment {
  return { layer, what, startNs: startNs + byNs, endNs: endNs + byNs };
}

/** What a client alone can only call network is told by the other two lanes. */
function waiting(part: Segment): Segment {
  return part.layer === "network" ? { layer: "wait", what: "waiting for the other end", startNs: part.startNs, endNs: part.endNs } : part;
}

/** The two records of one exchange on the axis of the client's. */
export function bothEnds(client: End, server: End): BothEnds {
  const [shiftNs, clocks] = shift(client, server);
  return {
    client: segments(client).map(waiting),
    network: [
      ...way("request", point(client, OUT), point(server, IN, shiftNs)),
      ...way("response", point(server, OUT, shiftNs), point(client, IN)),
    ],
    server: segments(server).map((part) => moved(part, shiftNs)),
    clocks,
  };
}
