/** The columns of an exchange table: what they show, and which of them the reader wants. */
import { signal } from "@preact/signals";
import type { ComponentChildren } from "preact";

import { exchangeHref } from "../address";
import type { Exchange } from "../api/types";
import { bytes, count, duration } from "../format/numbers";
import { clock, exact, zone } from "../format/time";
import { Figure, measured, Unknown } from "../parts/figure";
import { Icon } from "../parts/icon";
import { Flags, Kind, Status } from "./labels";
import { endName, ends, queryText, socketAddress, target, whyUnanswered } from "./record";

export interface Column {
  key: string;
  name: string;
  isFigure?: boolean;
  /** Cannot be left out. */
  isFixed?: boolean;
  /** Shown until the reader chooses otherwise. */
  isUsual?: boolean;
  cell: (exchange: Exchange) => ComponentChildren;
}

/** The bar under a duration: from 10 µs to 10 s on a logarithmic scale, so that orders of magnitude meet the eye. */
function DurationBar({ ns }: { ns: number }) {
  const share = Math.max(0, Math.min(1, (Math.log10(Math.max(ns, 1)) - 4) / 6));
  return (
    <svg class="duration-bar" viewBox="0 0 100 2" preserveAspectRatio="none" aria-hidden="true">
      <rect x={(100 - share * 100).toFixed(1)} width={(share * 100).toFixed(1)} height="2" />
    </svg>
  );
}

function Duration({ of }: { of: Exchange }) {
  if (of.duration_ns === null) return <Unknown why={whyUnanswered(of)} />;
  return (
    <>
      <Figure of={duration(of.duration_ns)} why="" title={`${count(of.duration_ns)} ns`} />
      <DurationBar ns={of.duration_ns} />
    </>
  );
}

/** Characters at the end of a long path that stay when the middle is cut: what tells two of them apart is mostly there. */
const KEPT_END = 20;

/** A path that is cut in its middle where there is no room for all of it. */
function Path({ path }: { path: string }) {
  const cut = path.length > 2 * KEPT_END ? path.length - KEPT_END : path.length;
  return (
    <span class="path">
      <span class="path-start">{path.slice(0, cut)}</span>
      {cut < path.length && <span class="path-end">{path.slice(cut)}</span>}
    </span>
  );
}

function Request({ of }: { of: Exchange }) {
  return (
    <a class="row-link request" href={exchangeHref(of.id)} title={target(of)}>
      <span class="method">{of.method ?? "–"}</span>
      <Path path={`${of.path ?? "–"}${queryText(of)}`} />
      <Kind of={of} />
      <span class="host mono">{of.host}</span>
    </a>
  );
}

function Ends({ of }: { of: Exchange }) {
  const { from, to } = ends(of);
  return (
    <span class="ends">
      <span title={socketAddress(from)}>{endName(from, from.address ?? "unknown")}</span>
      <Icon name="right" label="to" />
      <span title={socketAddress(to)}>{endName(to)}</span>
    </span>
  );
}

const NOT_SEEN = "its bytes were not seen";

export const COLUMNS: readonly Column[] = [
  {
    key: "time",
    name: "Time",
    isFixed: true,
    cell: (of) => (
      <time dateTime={of.time} title={`${exact(of.time)} (shown in ${zone()})`}>
        {clock(of.time)}
      </time>
    ),
  },
  { key: "status", name: "Status", isFixed: true, cell: (of) => <Status of={of} /> },
  { key: "request", name: "Request", isFixed: true, cell: (of) => <Request of={of} /> },
  { key: "duration", name: "Duration", isFixed: true, isFigure: true, cell: (of) => <Duration of={of} /> },
  {
    key: "first",
    name: "First byte",
    isFigure: true,
    cell: (of) => <Figure of={measured(of.first_byte_ns, duration)} why={whyUnanswered(of)} />,
  },
  {
    key: "sent",
    name: "Request size",
    isFigure: true,
    cell: (of) => <Figure of={measured(of.request.bytes, bytes)} why={NOT_SEEN} />,
  },
  {
    key: "size",
    name: "Size",
    isFigure: true,
    isUsual: true,
    cell: (of) => <Figure of={measured(of.response.bytes, bytes)} why={of.status === null ? whyUnanswered(of) : NOT_SEEN} />,
  },
  { key: "ends", name: "From, to", isUsual: true, cell: (of) => <Ends of={of} /> },
  { key: "side", name: "Seen at", isUsual: true, cell: (of) => <span class="muted">{of.side}</span> },
  { key: "flags", name: "Flags", isUsual: true, cell: (of) => <Flags of={of} /> },
  { key: "protocol", name: "Protocol", cell: (of) => <span class="muted">{of.protocol}</span> },
  {
    key: "connection",
    name: "Connection",
    cell: (of) => (
      <span class="mono muted">
        {of.connection.id.replace(/^0+(?=.)/, "")} #{of.connection.exchange}
      </span>
    ),
  },
];

const KEY = "rover.columns";

function stored(): ReadonlySet<string> {
  try {
    const text = localStorage.getItem(KEY);
    if (text !== null) return new Set(text.split(","));
  } catch {
    // Storage is refused: the usual columns.
  }
  return new Set(COLUMNS.filter((column) => column.isUsual).map((column) => column.key));
}

const chosen = signal(stored());

/** Columns to show, in their fixed order. */
export function shownColumns(): Column[] {
  return COLUMNS.filter((column) => column.isFixed || chosen.value.has(column.key));
}

/** Whether the reader has this column on. */
export function isShown(column: Column): boolean {
  return chosen.value.has(column.key);
}

/** Turns one column on or off, and remembers it in this browser. */
export function toggleColumn(column: Column): void {
  const next = new Set(chosen.value);
  if (!next.delete(column.key)) next.add(column.key);
  chosen.value = next;
  try {
    localStorage.setItem(KEY, Array.from(next).join(","));
  } catch {
    // Storage is refused: the choice holds until the page is closed.
  }
}
