/** Whom a service calls and who calls it, and its instances. */
import { href } from "../address";
import { instances, topology } from "../api/client";
import { usePolled } from "../api/polled";
import type { Topology, TopologyEdge, Traffic } from "../api/types";
import { duration, perMinute, type Quantity, share, throughput } from "../format/numbers";
import { Figure, measured } from "../parts/figure";
import { openRow } from "../parts/rows";
import { Failure, SkeletonRows } from "../parts/states";
import { range, rangeKey } from "../range";
import { retransmitShare } from "../topology/panel";
import { ofEdge } from "../topology/view";
import { NothingYet } from "./nothing_yet";

const NO_CALLS = "no call in this time range";

type Column = readonly [string, (of: Traffic, seconds: number) => Quantity | null];

const COLUMNS: readonly Column[] = [
  ["Calls", (of) => perMinute(of.calls_per_minute)],
  ["Success", (of) => measured(of.success_rate, share)],
  ["p50", (of) => measured(of.p50_ns, duration)],
  ["p95", (of) => measured(of.p95_ns, duration)],
  ["Sent", (of, seconds) => throughput(of.sent_bytes / seconds)],
  ["Received", (of, seconds) => throughput(of.received_bytes / seconds)],
  ["Retransmits", (of) => measured(retransmitShare(of), share)],
];

interface Line {
  name: string;
  address: string | null;
  seen: Traffic | null;
  between?: number | null;
}

function Lines({ of, title, first, seconds, hasBetween = false }: { of: readonly Line[] | null; title: string; first: string; seconds: number; hasBetween?: boolean }) {
  return (
    <div class="table-card is-scrolled">
      <table class="table plain-table">
        <caption class="spoken">{title}</caption>
        <thead>
          <tr>
            <th scope="col">{first}</th>
            {COLUMNS.map(([name]) => (
              <th key={name} scope="col" class="number">
                {name}
              </th>
            ))}
            {hasBetween && (
              <th scope="col" class="number" title="Mean at the client less mean at the server: network and queues">
                Between
              </th>
            )}
          </tr>
        </thead>
        {of === null ? (
          <SkeletonRows columns={COLUMNS.length + 1} rows={3} />
        ) : (
          <tbody>
            {of.map(({ name, address, seen, between }) => (
              <tr key={name} data-row={address === null ? undefined : true} onClick={address === null ? undefined : (event) => openRow(event, address)}>
                <th scope="row" class="name">
                  {address === null ? (
                    name
                  ) : (
                    <a class="row-link" href={address}>
                      <span class="name-text">{name}</span>
                    </a>
                  )}
                </th>
                {COLUMNS.map(([column, show]) => (
                  <td key={column} class="number">
                    <Figure of={seen === null ? null : show(seen, seconds)} why={NO_CALLS} />
                  </td>
                ))}
                {hasBetween && (
                  <td class="number">
                    <Figure of={measured(between, (ns) => duration(Math.max(0, ns)))} why="rover does not watch both ends" />
                  </td>
                )}
              </tr>
            ))}
          </tbody>
        )}
      </table>
    </div>
  );
}

function line(map: Topology, edge: TopologyEdge, other: string): Line {
  return {
    name: map.nodes.find((node) => node.id === other)?.name ?? other,
    address: href("/topology", { source: edge.source, target: edge.target }),
    seen: ofEdge(edge),
    between: edge.network_ns,
  };
}

export function PeersTab({ service }: { service: string }) {
  const polled = usePolled(`peers ${service} ${rangeKey.value}`, (signal) => topology(range.value, signal, service));
  const map = polled.data;
  if (map === null && polled.error !== null) return <Failure what="the peers" error={polled.error} retryAt={polled.retryAt} retry={polled.reload} />;
  if (map !== null && map.edges.length === 0) return <NothingYet title={`${service} talked to nobody`} />;
  const callers = map?.edges.filter((edge) => edge.target === service).map((edge) => line(map, edge, edge.source)) ?? null;
  const called = map?.edges.filter((edge) => edge.source === service).map((edge) => line(map, edge, edge.target)) ?? null;
  const seconds = map?.span.watched_s ?? 1;
  return (
    <>
      <h2>Called by</h2>
      {callers?.length === 0 ? <p class="muted">Nobody that rover saw.</p> : <Lines of={callers} title={`Callers of ${service}`} first="Caller" seconds={seconds} hasBetween />}
      <h2>Calls</h2>
      {called?.length === 0 ? <p class="muted">Nobody that rover saw.</p> : <Lines of={called} title={`Called by ${service}`} first="Called" seconds={seconds} hasBetween />}
      <p>
        <a href={href("/topology", { focus: service, node: service })}>Show it on the map</a>
      </p>
    </>
  );
}

export function InstancesTab({ service }: { service: string }) {
  const polled = usePolled(`instances ${service} ${rangeKey.value}`, (signal) => instances(service, range.value, signal));
  const found = polled.data;
  if (found === null && polled.error !== null) return <Failure what="the instances" error={polled.error} retryAt={polled.retryAt} retry={polled.reload} />;
  if (found?.instances.length === 0) return <NothingYet title={`No instance of ${service} was seen`} />;
  const lines = found?.instances.map(({ name, seen }): Line => ({ name: name === "" ? "(unnamed)" : name, address: null, seen })) ?? null;
  return <Lines of={lines} title={`Instances of ${service}`} first="Instance" seconds={found?.span.watched_s ?? 1} />;
}
