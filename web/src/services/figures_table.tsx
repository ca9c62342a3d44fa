/** The table of services and of endpoints: the same figures, sorted by what hurts, each leading to its exchanges. */
import type { ComponentChildren } from "preact";

import { changed, go, href, parameters } from "../address";
import type { Figures } from "../api/types";
import { type Filters, slowerThan, toAddress } from "../exchanges/filter";
import { count, duration, perMinute, share, throughput } from "../format/numbers";
import { Figure, measured } from "../parts/figure";
import { Icon } from "../parts/icon";
import { openRow } from "../parts/rows";
import { Sparkline } from "../parts/sparkline";
import { SkeletonRows } from "../parts/states";
import { failing, health, nextSort, parseSort, type SortKey, sorted, sortText } from "./figures";

export interface Row extends Figures {
  key: string;
  /** What the name column shows, sorts by and leads to. */
  title: ComponentChildren;
  name: string;
  address: string;
  /** The exchanges behind this row. */
  filters: Filters;
}

const NO_CALLS = "no call in this time range";
const NO_PACKETS = "no packet was counted: its hook is not attached";
const NO_DURATION = "no call in this time range has both a request and a response";

const COLUMNS: readonly { key: SortKey; name: string; title: string }[] = [
  { key: "calls", name: "Calls", title: "Calls per minute" },
  { key: "success", name: "Success", title: "Share of calls with a status below 500" },
  { key: "p50", name: "p50", title: "Half of the calls took at most this long" },
  { key: "p95", name: "p95", title: "95 % of the calls took at most this long" },
  { key: "p99", name: "p99", title: "99 % of the calls took at most this long" },
  { key: "throughput", name: "Bytes", title: "Bytes per second, requests and responses" },
];
const RETRANSMITS = { key: "retransmits", name: "Resent", title: "Share of the packets sent that TCP had to send again" } as const;

function SortHeader({ column, name, title, isFigure }: { column: SortKey; name: string; title: string; isFigure: boolean }) {
  const sort = parseSort(parameters.value.get("sort"));
  const isSorted = sort.key === column;
  const order = isSorted ? (sort.isAscending ? "ascending" : "descending") : "none";
  return (
    <th scope="col" aria-sort={order} class={isFigure ? "number" : undefined}>
      <button type="button" class="sort" title={title} onClick={() => go(changed({ sort: sortText(nextSort(sort, column)) }), { replace: true })}>
        <span>{name}</span>
        {isSorted && <Icon name={sort.isAscending ? "up" : "down"} />}
      </button>
    </th>
  );
}

/** A figure that leads to the exchanges behind it. */
function Leading({ filters, title, children }: { filters: Filters; title: string; children: ComponentChildren }) {
  return (
    <a class="figure-link" href={href("/exchanges", toAddress(filters))} title={title}>
      {children}
    </a>
  );
}

function Percentile({ row, ns, name }: { row: Row; ns: number | null; name: string }) {
  if (ns === null) return <Figure of={null} why={NO_DURATION} />;
  const slower = slowerThan(ns);
  return (
    <Leading filters={{ ...row.filters, slower }} title={`${count(ns)} ns; show the calls slower than ${name}`}>
      <Figure of={duration(ns)} why={NO_DURATION} />
    </Leading>
  );
}

function Success({ row }: { row: Row }) {
  const state = health(row);
  const failed = failing(row);
  const figure = <Figure of={measured(row.success_rate, share)} why={NO_CALLS} />;
  if (failed === 0) return figure;
  return (
    <Leading filters={{ ...row.filters, status: "5xx" }} title={`${perMinute(failed).value} failed calls per minute; show those with a 5xx`}>
      <span class={`state-text-${state}`}>
        {state !== "ok" && <Icon name={state === "error" ? "failure" : "warning"} />}
        {figure}
      </span>
    </Leading>
  );
}

function FiguresRow({ row, hasRetransmits }: { row: Row; hasRetransmits: boolean }) {
  return (
    <tr data-row onClick={(event) => openRow(event, row.address)}>
      <th scope="row" class="name">
        <a class="row-link" href={row.address}>
          {row.title}
        </a>
      </th>
      <td class="number" data-label="Calls">
        <Leading filters={row.filters} title={`${count(row.calls)} calls; show them`}>
          <Figure of={perMinute(row.calls_per_minute)} why={NO_CALLS} />
        </Leading>
      </td>
      <td class="number" data-label="Success">
        <Success row={row} />
      </td>
      <td class="number" data-label="p50">
        <Percentile row={row} ns={row.p50_ns} name="the median" />
      </td>
      <td class="number" data-label="p95">
        <Percentile row={row} ns={row.p95_ns} name="p95" />
      </td>
      <td class="number" data-label="p99">
        <Percentile row={row} ns={row.p99_ns} name="p99" />
      </td>
      <td class="number" data-label="Bytes">
        <Figure of={measured(row.bytes_per_second, throughput)} why={NO_CALLS} />
      </td>
      {hasRetransmits && (
        <td class="number" data-label="Resent">
          <Figure of={measured(row.retransmit_rate, share)} why={NO_PACKETS} />
        </td>
      )}
      <td class="trend">
        <Sparkline values={row.spark} />
      </td>
    </tr>
  );
}

export interface FiguresTableProps {
  /** Null while they load. */
  rows: readonly Row[] | null;
  nameColumn: string;
  caption: string;
  /** Services have packets of their own, endpoints share connections. */
  hasRetransmits?: boolean;
  /** So many are shown until the reader asks for all of them. */
  most?: number;
}

export function FiguresTable({ rows, nameColumn, caption, hasRetransmits = false, most = Number.POSITIVE_INFINITY }: FiguresTableProps) {
  const sort = parseSort(parameters.value.get("sort"));
  const columns = hasRetransmits ? [...COLUMNS, RETRANSMITS] : COLUMNS;
  const isCut = parameters.value.get("show") !== "all";
  const inOrder = sorted(rows ?? [], sort, (row) => row.name);
  return (
    <div class="table-card">
      <table class="table figures">
        <caption class="spoken">{caption}</caption>
        <thead>
          <tr>
            <SortHeader column="name" name={nameColumn} title={`Sort by ${nameColumn.toLowerCase()}`} isFigure={false} />
            {columns.map((column) => (
              <SortHeader key={column.key} column={column.key} name={column.name} title={column.title} isFigure />
            ))}
            <th scope="col" class="trend">
              Trend
            </th>
          </tr>
        </thead>
        {rows === null ? (
          <SkeletonRows columns={columns.length + 2} />
        ) : (
          <tbody>
            {inOrder.slice(0, isCut ? most : undefined).map((row) => (
              <FiguresRow key={row.key} row={row} hasRetransmits={hasRetransmits} />
            ))}
          </tbody>
        )}
      </table>
      {inOrder.length > most && (
        <p class="table-more">
          <a href={changed({ show: isCut ? "all" : null })}>{isCut ? `Show all ${count(inOrder.length)}` : `Show the first ${most} only`}</a>
        </p>
      )}
    </div>
  );
}

/** How the table is sorted, with the way back to the default. */
export function SortNote() {
  const sort = parseSort(parameters.value.get("sort"));
  if (sort.key === "hurt") return <p class="muted note">Sorted by what hurts: failed calls per minute, then p95</p>;
  return (
    <p class="note">
      <a href={changed({ sort: null })}>Sort by what hurts</a>
    </p>
  );
}
