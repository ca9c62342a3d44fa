/** Bars of time: where each begins, and what a reader is told about it. Pure. */
import { ticks } from "d3-array";

import type { Series } from "../api/types";
import { day, minute } from "../format/time";

export type Span = Series["span"];

/** Start of each bar in ms; bars begin at multiples of their width, the first maybe before the span. */
export function starts(span: Span, count: number): number[] {
  const width = span.bar_s * 1000;
  const first = Math.floor(span.from_ns / 1e6 / width) * width;
  return Array.from({ length: count }, (_, index) => first + index * width);
}

/** `14:03`, or the day for bars of a day. */
export function label(ms: number, span: Span): string {
  return span.bar_s >= 86_400 ? day(new Date(ms)) : minute(new Date(ms)).slice(11);
}

/** `14:03 – 14:04`. */
export function between(ms: number, span: Span): string {
  return `${label(ms, span)} – ${label(ms + span.bar_s * 1000, span)}`;
}

/** Addresses' from and to of the bars from one to another, both included. */
export function rangeOf(span: Span, count: number, one: number, other: number): { from: string; to: string; range: null } {
  const all = starts(span, count);
  const at = (index: number): number => all[Math.min(count - 1, Math.max(0, index))] ?? 0;
  const [first, last] = [Math.min(one, other), Math.max(one, other)];
  return { from: new Date(at(first)).toISOString(), to: new Date(at(last) + span.bar_s * 1000).toISOString(), range: null };
}

/** Bars whose labels have room, so far apart. */
export function marks(count: number, width: number, each = 64): number[] {
  const step = Math.max(1, Math.ceil((count * each) / Math.max(1, width)));
  return Array.from({ length: Math.ceil(count / step) }, (_, index) => index * step);
}

/** Marks of an axis up to `most`: whole numbers, or whole numbers of a binary unit. */
export function axis(most: number, unit: "count" | "bytes" | "ns"): number[] {
  if (unit === "ns") return ticks(0, most, 4);
  const size = unit === "bytes" ? 1024 ** Math.max(0, Math.floor(Math.log2(Math.max(1, most)) / 10)) : 1;
  const found = ticks(0, most / size, 4).map((value) => value * size);
  return found.filter((value) => Number.isInteger(value));
}
