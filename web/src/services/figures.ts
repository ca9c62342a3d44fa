/** Order of services and endpoints by their figures. */
import type { Figures, Services } from "../api/types";

export const SORTS = ["hurt", "name", "calls", "success", "p50", "p95", "p99", "throughput", "retransmits"] as const;
export type SortKey = (typeof SORTS)[number];
export interface Sort {
  key: SortKey;
  isAscending: boolean;
}

/** What hurts: failed calls per minute. */
export function failing(figures: Figures): number {
  return figures.success_rate === null ? 0 : (1 - figures.success_rate) * figures.calls_per_minute;
}

const VALUE: Record<Exclude<SortKey, "name">, (figures: Figures) => number | null> = {
  hurt: failing,
  calls: (figures) => figures.calls_per_minute,
  success: (figures) => figures.success_rate,
  p50: (figures) => figures.p50_ns,
  p95: (figures) => figures.p95_ns,
  p99: (figures) => figures.p99_ns,
  throughput: (figures) => figures.bytes_per_second,
  retransmits: (figures) => figures.retransmit_rate ?? null,
};

/** The first click on a column shows what is worth looking at: large figures, but low success and names from A. */
export function firstOrder(key: SortKey): Sort {
  return { key, isAscending: key === "name" || key === "success" };
}

/** Sort of an address: `p95` or `-p95` (descending); what does not parse is what hurts. */
export function parseSort(text: string | null): Sort {
  const key = (text ?? "").replace(/^-/, "");
  const known = SORTS.find((name) => name === key && name !== "hurt");
  return known === undefined ? { key: "hurt", isAscending: false } : { key: known, isAscending: text === key };
}

/** Text for the address; null for the default. */
export function sortText(sort: Sort): string | null {
  return sort.key === "hurt" ? null : `${sort.isAscending ? "" : "-"}${sort.key}`;
}

/** The next sort after a click on a column: its first order, the other way round, then what hurts again. */
export function nextSort(now: Sort, key: SortKey): Sort {
  const first = firstOrder(key);
  if (now.key !== key) return first;
  return now.isAscending === first.isAscending ? { key, isAscending: !first.isAscending } : { key: "hurt", isAscending: false };
}

/** Sorted copy. Unknown figures come last either way; equals by p95, then by name, so that rows keep their place. */
export function sorted<T extends Figures>(rows: readonly T[], sort: Sort, name: (row: T) => string): T[] {
  const byName = (a: T, b: T): number => name(a).localeCompare(name(b));
  const { key } = sort;
  if (key === "name") return rows.toSorted((a, b) => (sort.isAscending ? 1 : -1) * byName(a, b));
  const value = VALUE[key];
  return rows.toSorted((a, b) => {
    const left = value(a);
    const right = value(b);
    if (left === null || right === null) return Number(left === null) - Number(right === null) || byName(a, b);
    return (sort.isAscending ? left - right : right - left) || (b.p95_ns ?? 0) - (a.p95_ns ?? 0) || byName(a, b);
  });
}

/** Of a bar that has only begun, at least so much must have passed for its rate to mean something. */
const LEAST_OF_BAR = 0.25;

/**
 * A spark line's bars as it should be drawn at `nowNs`: the last one, still filling, would look like a breakdown. It counts
 * by its rate so far, or not at all when it has hardly begun and there are others.
 */
export function trend(bars: readonly number[], span: Services["span"], nowNs: number): number[] {
  const barNs = span.bar_s * 1e9;
  const lastStart = Math.floor((span.to_ns - 1) / barNs) * barNs;
  const passed = (nowNs - lastStart) / barNs;
  const whole = bars.slice(0, -1);
  if (passed >= 1 || passed <= 0 || whole.every((calls) => calls === 0)) return [...bars];
  return passed < LEAST_OF_BAR ? whole : [...whole, Math.round((bars.at(-1) ?? 0) / passed)];
}

/** Health by success rate, at limits that on-call people use: one in a thousand is normal, one in a hundred is not. */
export function health(figures: Pick<Figures, "success_rate">): "ok" | "warning" | "error" | "unknown" {
  if (figures.success_rate === null) return "unknown";
  if (figures.success_rate < 0.99) return "error";
  return figures.success_rate < 0.999 ? "warning" : "ok";
}
