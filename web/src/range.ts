/** The time range and the refresh interval: parsed from the address, written back to it, and turned into API times. */
import { computed } from "@preact/signals";

import { parameters } from "./address";
import { minute } from "./format/time";

/** Either the last n seconds up to now, or two fixed points. */
export type Range = { kind: "last"; seconds: number } | { kind: "between"; from: Date; to: Date };

const UNITS: Record<string, number> = { s: 1, m: 60, h: 3600, d: 86400 };

export const DEFAULT_RANGE = "15m";
export const RANGES = ["5m", "15m", "1h", "6h", "24h"] as const;
export const DEFAULT_REFRESH = "5s";
export const REFRESHES = ["off", "2s", "5s", "10s", "30s", "1m"] as const;

/** Seconds of `90s`, `15m`, `6h`, `7d`; null for anything else. */
export function seconds(text: string): number | null {
  const match = /^(\d{1,6})([smhd])$/.exec(text);
  const unit = UNITS[match?.[2] ?? ""];
  const value = Number(match?.[1] ?? 0);
  return unit === undefined || value === 0 ? null : value * unit;
}

/** Range of an address; what does not parse is the default, so that an old link still shows something. */
export function parseRange(query: URLSearchParams): Range {
  const from = new Date(query.get("from") ?? "");
  const to = new Date(query.get("to") ?? "");
  if (!Number.isNaN(from.getTime()) && !Number.isNaN(to.getTime()) && from < to) return { kind: "between", from, to };
  return { kind: "last", seconds: seconds(query.get("range") ?? DEFAULT_RANGE) ?? 900 };
}

export const range = computed<Range>(() => parseRange(parameters.value));

/** Milliseconds between refreshes; null for never. A fixed range in the past does not change. */
export const refreshMs = computed<number | null>(() => {
  if (range.value.kind === "between") return null;
  const chosen = parameters.value.get("refresh") ?? DEFAULT_REFRESH;
  if (chosen === "off") return null;
  return (seconds(chosen) ?? 5) * 1000;
});

/** Identity of the range for caches: equal text, equal range. */
export const rangeKey = computed(() => JSON.stringify(range.value));

const NAMES: Record<string, string> = { s: "second", m: "minute", h: "hour", d: "day" };

/** `Last 15 minutes`, from `15m`. */
export function rangeName(text: string): string {
  const match = /^(\d+)([smhd])$/.exec(text);
  const name = NAMES[match?.[2] ?? ""];
  if (match === null || name === undefined) return text;
  return match[1] === "1" ? `Last ${name}` : `Last ${match[1]} ${name}s`;
}

/** Short text of a range: `15m` or `2026-11-21 13:00 – 14:00`. */
export function rangeText(value: Range): string {
  if (value.kind === "last") {
    const whole = (["d", "h", "m"] as const).find((unit) => value.seconds % (UNITS[unit] ?? 1) === 0) ?? "s";
    return rangeName(`${value.seconds / (UNITS[whole] ?? 1)}${whole}`);
  }
  const from = minute(value.from);
  const to = minute(value.to);
  return `${from} – ${from.slice(0, 10) === to.slice(0, 10) ? to.slice(11) : to}`;
}

function nanoseconds(ms: number): string {
  return `${Math.round(ms)}000000`;
}

/** The range within a sentence: `in the last 15 minutes`, `between … and …`. */
export function rangePhrase(value: Range): string {
  if (value.kind === "last") return `in the ${rangeText(value).toLowerCase()}`;
  return `between ${rangeText(value).replace(" – ", " and ")}`;
}

/** The range as the API takes it: nanoseconds since the epoch. An open end is left out: the server's clock decides. */
export function bounds(value: Range, nowMs: number): { from: string; to?: string } {
  if (value.kind === "last") return { from: nanoseconds(nowMs - value.seconds * 1000) };
  return { from: nanoseconds(value.from.getTime()), to: nanoseconds(value.to.getTime()) };
}
