/** Where on the axis things lie: lanes of one or two records, bars in percent of the axis, round marks. */
import type { Exchange, Side } from "../api/types";
import { bothEnds, type Clocks } from "./both_ends";
import { LAYER_NAME, type Segment, segments } from "./timeline";

export interface Lane {
  name: Side | "network";
  /** Null of the network. */
  record: Exchange | null;
  parts: Segment[];
}

export interface Axis {
  startNs: number;
  endNs: number;
}

export interface Plan {
  lanes: Lane[];
  axis: Axis;
  /** Null of one record alone. */
  clocks: Clocks | null;
}

/** Client above, network, server below; a record without its partner has one lane. */
export function plan(record: Exchange, partner: Exchange | null): Plan {
  if (partner === null) {
    const parts = segments(record);
    return { lanes: [{ name: record.side, record, parts }], axis: axis(record, parts), clocks: null };
  }
  const [client, server] = record.side === "client" ? [record, partner] : [partner, record];
  const both = bothEnds(client, server);
  return {
    lanes: [
      { name: "client", record: client, parts: both.client },
      { name: "network", record: null, parts: both.network },
      { name: "server", record: server, parts: both.server },
    ],
    axis: axis(client, [...both.client, ...both.network, ...both.server]),
    clocks: both.clocks,
  };
}

/** On it are all segments and the whole of the record whose start is its zero. */
function axis(record: Exchange, parts: readonly Segment[]): Axis {
  return {
    startNs: Math.min(0, ...parts.map((part) => part.startNs)),
    endNs: Math.max(record.duration_ns ?? 0, ...parts.map((part) => part.endNs)),
  };
}

export interface Bar {
  part: Segment;
  /** Percent of the axis. */
  x: number;
  width: number;
  /** The layer's name where it has room below the bar. */
  label: string | null;
}

/** A letter of a label, in percent of the narrowest lane that shows labels. */
const LETTER = 1.6;

/** Bars in the order of painting: the short over the long, so that a microsecond beside a second is still to be seen. */
export function bars(parts: readonly Segment[], on: Axis): Bar[] {
  const lengthNs = on.endNs - on.startNs;
  return parts
    .map((part) => {
      const width = ((part.endNs - part.startNs) / lengthNs) * 100;
      const name = LAYER_NAME[part.layer];
      return { part, x: ((part.startNs - on.startNs) / lengthNs) * 100, width, label: width > (name.length + 1) * LETTER ? name : null };
    })
    .toSorted((one, other) => other.width - one.width);
}

/** Round marks of an axis of this length: four to eight of them, at 1, 2 or 5 times a power of ten. */
export function ticks(lengthNs: number, startNs = 0): number[] {
  if (lengthNs <= 0) return [0];
  const raw = lengthNs / 5;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((size) => size >= raw) ?? raw;
  const first = Math.ceil(startNs / step);
  const last = Math.floor((startNs + lengthNs) / step);
  return Array.from({ length: last - first + 1 }, (_, index) => (first + index) * step);
}
