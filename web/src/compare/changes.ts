/** What changed between two time ranges. Pure. */
import type { Endpoints, Figures } from "../api/types";
import type { Range } from "../range";

/** How far back the time before lies, as the address says it; "" is: directly before. */
export const AGAINST = ["", "1h", "24h", "7d"] as const;
export const AGAINST_NAME: Record<string, string> = { "": "the time directly before", "1h": "an hour ago", "24h": "a day ago", "7d": "a week ago" };

/** Both ranges, as fixed points: the one of the page and the one before it. */
export function pair(range: Range, backSeconds: number | null, nowMs: number): { now: Range & { kind: "between" }; before: Range & { kind: "between" } } {
  const [from, to] = range.kind === "between" ? [range.from.getTime(), range.to.getTime()] : [nowMs - range.seconds * 1000, nowMs];
  const back = backSeconds === null ? to - from : backSeconds * 1000;
  return {
    now: { kind: "between", from: new Date(from), to: new Date(to) },
    before: { kind: "between", from: new Date(from - back), to: new Date(to - back) },
  };
}

/** A service, or an endpoint of one. */
export type Compared = Figures & { name: string };

export interface Change {
  name: string;
  before: Compared | null;
  now: Compared | null;
  /** How much worse it is, for the order: 0 is not at all. */
  worse: number;
}

function ratio(now: number | null | undefined, before: number | null | undefined): number {
  return typeof now !== "number" || typeof before !== "number" || before <= 0 ? 1 : now / before;
}

/** More failures count most, then slower calls, then fewer or more of them; by figures that mean something. */
function worse(before: Compared | null, now: Compared | null): number {
  if (before === null || now === null) return 2;
  const failed = Math.max(0, (before.success_rate ?? 1) - (now.success_rate ?? 1));
  const slower = Math.max(0, Math.log2(ratio(now.p95_ns, before.p95_ns)));
  const rate = Math.abs(Math.log2(Math.max(0.001, ratio(now.calls_per_minute, before.calls_per_minute))));
  return failed * 100 + slower + rate * 0.25;
}

/** Endpoints by the names of their pages, `METHOD:path`. */
export function named(of: Endpoints): Compared[] {
  return of.endpoints.map((endpoint) => ({ ...endpoint, name: endpoint.endpoint }));
}

/** Every service or endpoint of either time, the worst first. */
export function changes(before: readonly Compared[], now: readonly Compared[]): Change[] {
  const old = new Map(before.map((one) => [one.name, one]));
  const present = new Map(now.map((one) => [one.name, one]));
  const names = Array.from(new Set([...old.keys(), ...present.keys()]));
  return names
    .map((name): Change => {
      const [left, right] = [old.get(name) ?? null, present.get(name) ?? null];
      return { name, before: left, now: right, worse: worse(left, right) };
    })
    .toSorted((a, b) => b.worse - a.worse || a.name.localeCompare(b.name));
}

/** A change of a figure worth a colour: a twentieth of it at least, and not by one call or two. */
export function verdict(before: number | null, now: number | null, isMoreWorse: boolean): "worse" | "better" | null {
  if (before === null || now === null || before === now) return null;
  const least = Math.max(Math.abs(before), Math.abs(now)) * 0.05;
  if (Math.abs(now - before) < least) return null;
  return now > before === isMoreWorse ? "worse" : "better";
}

/** `+12 %`, `× 2.4`, `−3.1 %`. */
export function difference(before: number | null, now: number | null): string {
  if (before === null || now === null || before === 0) return "";
  const factor = now / before;
  if (factor >= 2) return `× ${factor < 10 ? factor.toFixed(1) : Math.round(factor)}`;
  const percent = (factor - 1) * 100;
  if (Math.abs(percent) < 0.05) return "same";
  return `${percent < 0 ? "−" : "+"}${Math.abs(percent) < 10 ? Math.abs(percent).toFixed(1) : Math.round(Math.abs(percent))}\u202f%`;
}
