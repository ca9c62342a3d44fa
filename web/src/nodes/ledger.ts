/** The ledger in words: which causes are losses, which are decisions, and what each one means. */
import type { Ledger, Node } from "../api/types";

export interface Cause {
  name: string;
  count: number;
  /** Something that should be in a record is not. The others were left out as told, or belong to no record. */
  isLoss: boolean;
  meaning: string;
}

/** The ledger in sums. Its unit is the socket operation: one read or write. */
export interface Balance {
  captured: number;
  reported: number;
  inFlight: number;
  leftOut: number;
  lost: number;
  /** Losses first, the larger ones first. */
  causes: Cause[];
}

const DECISIONS: Record<string, string> = {
  not_http: "On connections that do not speak HTTP.",
  excluded: "Of processes that the rules exclude.",
  own_reporting: "Of rover itself, on its way to the backend.",
  filtered: "Outside of the ports or the side that were asked for.",
  mid_stream: "Before the first whole message of a connection that is older than rover.",
  overlap: "Of bytes that had been seen before.",
  http2_control: "Of HTTP/2 frames that belong to no exchange: settings, pings, windows of the connection.",
  tls_control: "Of TLS records that carry no plaintext: handshakes, tickets, alerts.",
  tls_opaque: "On TLS connections of which no known library shows the plaintext.",
};

const LOSSES: Record<string, string> = {
  ring_full: "The kernel's ring buffer had no room. A larger kernel.ring_bytes helps.",
  no_storage: "The kernel had no memory for the state of a connection.",
  unconfirmed: "Of processes that were not decided about in time, or for which too much was held.",
  stream_overflow: "More came out of order than is held, or the table of connections was full.",
  parse_error: "Of bytes that belong to no message, on connections that speak HTTP.",
  after_close: "After the end of a connection had been seen.",
  bad_event: "Events that made no sense.",
  output_full: "Of records that an output did not take fast enough.",
  not_sampled: "Of connections outside the sample, while rover was above one of its limits.",
  tls_lost: "Under TLS, of which the plaintext was lost; it is counted by its own cause as well.",
  tls_unbound: "Of plaintext for which there was no room until its connection was known.",
  spool_full: "Of records that waited for the backend until the spool was full.",
};

/** Entries that are no cause. `records` counts in a unit of its own. */
const SUMS = new Set(["captured", "reported", "in_flight", "records"]);

function causes(ledger: Ledger): Cause[] {
  return Object.entries(ledger)
    .filter(([name]) => !SUMS.has(name))
    .map(([name, count]) => ({
      name,
      count,
      isLoss: DECISIONS[name] === undefined,
      // A cause that came after this page was written is shown, and counts as a loss until someone says otherwise.
      meaning: DECISIONS[name] ?? LOSSES[name] ?? "",
    }))
    .toSorted((a, b) => Number(b.isLoss) - Number(a.isLoss) || b.count - a.count || a.name.localeCompare(b.name));
}

/** Sums of a ledger; null where there is none, because no daemon runs beside the backend. */
export function balance(ledger: Ledger): Balance | null {
  const captured = ledger["captured"];
  if (captured === undefined) return null;
  const all = causes(ledger);
  const sum = (isLoss: boolean): number => all.filter((cause) => cause.isLoss === isLoss).reduce((total, cause) => total + cause.count, 0);
  return {
    captured,
    reported: ledger["reported"] ?? 0,
    // For a moment the drained counters may be ahead of the kernel's.
    inFlight: Math.max(0, ledger["in_flight"] ?? 0),
    leftOut: sum(false),
    lost: sum(true),
    causes: all,
  };
}

/** Records that the store did not keep, since it was opened. */
export function notStored(store: Node["store"]): number {
  return Object.values(store.lost).reduce((total, count) => total + count, 0);
}

/** Share of what should be seen on the page and is not: the worse of the way to the record and the way to the store. */
export function lostShare(of: Node): number {
  const captured = balance(of.ledger);
  const unstored = notStored(of.store);
  const onTheWay = captured === null || captured.captured === 0 ? 0 : captured.lost / captured.captured;
  return Math.min(1, Math.max(onTheWay, unstored === 0 ? 0 : unstored / (of.store.stored + unstored)));
}

/** A cause's name as words: `ring full`. */
export function causeName(name: string): string {
  return name.replaceAll("_", " ");
}
