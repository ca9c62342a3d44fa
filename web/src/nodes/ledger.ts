/** The ledger in words: which causes are losses, which are decisions, and what each one means. */
import type { Ledger } from "../api/types";

export interface Cause {
  name: string;
  count: number;
  /** A record that should be there is not. The others are traffic that rover was told not to report. */
  isLoss: boolean;
  meaning: string;
}

const DECISIONS: Record<string, string> = {
  not_http: "Bytes on a watched connection that are no HTTP.",
  excluded: "Traffic of processes that the rules exclude.",
  filtered: "Exchanges that the filters of this run leave out.",
};

const LOSSES: Record<string, string> = {
  ring_full: "The kernel's ring buffer had no room. A larger kernel.ring_bytes helps.",
  unconfirmed: "Data of processes that ended before rover had decided about them, or that waited too long.",
  stream_overflow: "Bytes that came out of order in such amounts that the oldest were given up.",
  parse_error: "Messages that break HTTP so badly that they could not be read.",
  spool_full: "Records that waited for the backend until the spool was full.",
};

/** Balance keys that are no cause. */
const BALANCE = new Set(["captured", "reported", "in_flight"]);

/** Causes with their counts: losses first, the larger ones first. A cause this page does not know counts as a loss. */
export function causes(ledger: Ledger): Cause[] {
  return Object.entries(ledger)
    .filter(([name]) => !BALANCE.has(name))
    .map(([name, count]) => ({
      name,
      count,
      isLoss: DECISIONS[name] === undefined,
      meaning: DECISIONS[name] ?? LOSSES[name] ?? "A cause that this page has no words for yet.",
    }))
    .toSorted((a, b) => Number(b.isLoss) - Number(a.isLoss) || b.count - a.count || a.name.localeCompare(b.name));
}

/** Lost events and their share of all captured ones. */
export function lost(ledger: Ledger): { count: number; share: number } {
  const total = causes(ledger)
    .filter((cause) => cause.isLoss)
    .reduce((sum, cause) => sum + cause.count, 0);
  const captured = ledger["captured"] ?? 0;
  return { count: total, share: captured > 0 ? Math.min(1, total / captured) : total > 0 ? 1 : 0 };
}

/** A cause's name as words: `ring full`. */
export function causeName(name: string): string {
  return name.replaceAll("_", " ");
}
