/** Beside the map: what is chosen, in figures. Of an edge both ends side by side: their difference is the network. */
import type { ComponentChildren } from "preact";

import { changed, href, serviceHref } from "../address";
import type { Topology, TopologyEdge, TopologyNode, Traffic } from "../api/types";
import { slowerThan, toAddress } from "../exchanges/filter";
import { bytes, count, duration, perMinute, type Quantity, share, text, throughput } from "../format/numbers";
import { Fact, Facts, Figure, measured, Unknown } from "../parts/figure";
import { Icon } from "../parts/icon";
import { KIND_NAME } from "./marks";
import { ofEdge } from "./view";

const NO_CALLS = "no call in this time range";
const NOT_WATCHED = "rover does not watch this end";

/** Retransmits as a share of the packets sent. */
export function retransmitShare(of: Traffic): number | null {
  return of.sent_packets === 0 ? null : of.retransmits / of.sent_packets;
}

type Show = (of: Traffic) => Quantity | null;

interface Line {
  name: string;
  show: Show;
  /** For the difference between the ends; lines without it are not compared. */
  ns?: (of: Traffic) => number | null;
  /** Exact to 1 % only. */
  isRough?: boolean;
}

const HTTP_LINES: readonly Line[] = [
  { name: "Calls", show: (of) => perMinute(of.calls_per_minute) },
  { name: "Success", show: (of) => measured(of.success_rate, share) },
  { name: "Mean", show: (of) => measured(of.mean_ns, duration), ns: (of) => of.mean_ns },
  { name: "p50", show: (of) => measured(of.p50_ns, duration), ns: (of) => of.p50_ns, isRough: true },
  { name: "p95", show: (of) => measured(of.p95_ns, duration), ns: (of) => of.p95_ns, isRough: true },
  { name: "p99", show: (of) => measured(of.p99_ns, duration), ns: (of) => of.p99_ns, isRough: true },
];

function tcpLines(seconds: number): Line[] {
  return [
    { name: "Sent", show: (of) => throughput(of.sent_bytes / seconds) },
    { name: "Received", show: (of) => throughput(of.received_bytes / seconds) },
    { name: "Connections", show: (of) => ({ value: count(of.connects), unit: "" }) },
    { name: "Packets sent", show: (of) => ({ value: count(of.sent_packets), unit: "" }) },
    { name: "Retransmits", show: (of) => measured(retransmitShare(of), share) },
    { name: "Drops", show: (of) => ({ value: count(of.drops), unit: "" }) },
  ];
}

function Side({ of, show }: { of: Traffic | null; show: Show }) {
  return of === null ? <Unknown why={NOT_WATCHED} /> : <Figure of={show(of)} why={NO_CALLS} />;
}

function difference(line: Line, { client, server }: TopologyEdge): Quantity | null {
  const at = [client, server].map((side) => (side === null ? null : (line.ns?.(side) ?? null)));
  const [before, after] = at;
  if (typeof before !== "number" || typeof after !== "number") return null;
  // Percentiles are exact to 1 % each: what is less than both together is nothing that was measured.
  return line.isRough === true && before - after < 0.02 * before ? null : duration(Math.max(0, before - after));
}

function EdgeTable({ of, seconds }: { of: TopologyEdge; seconds: number }) {
  const lines = [...(of.is_http ? HTTP_LINES : []), ...tcpLines(seconds)];
  return (
    <table class="small-table sides">
      <thead>
        <tr>
          <th scope="col">
            <span class="spoken">Figure</span>
          </th>
          <th scope="col" class="number">
            Client
          </th>
          <th scope="col" class="number">
            Server
          </th>
          <th scope="col" class="number" title="What the client measures beyond the server: network and queues">
            Between
          </th>
        </tr>
      </thead>
      <tbody>
        {lines.map((line) => (
          <tr key={line.name}>
            <th scope="row">{line.name}</th>
            <td class="number">
              <Side of={of.client} show={line.show} />
            </td>
            <td class="number">
              <Side of={of.server} show={line.show} />
            </td>
            <td class="number">{line.ns !== undefined && <Figure of={difference(line, of)} why={of.client === null || of.server === null ? NOT_WATCHED : "less than percentiles are exact to: 1 %"} />}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

/** The mean of an edge as two parts of one bar. */
function NetworkShare({ of }: { of: TopologyEdge }) {
  const [client, server] = [of.client?.mean_ns ?? null, of.server?.mean_ns ?? null];
  if (client === null || server === null || of.network_ns === null || client <= 0) return null;
  const network = Math.max(0, of.network_ns);
  const part = Math.min(1, network / client);
  return (
    <figure class="network-share">
      <svg width="100%" height="14" role="img" aria-label={`network and queues ${text(share(part))} of the mean`}>
        <rect class="layer-application" width={`${(100 - part * 100).toFixed(2)}%`} height="14" />
        <rect class="layer-network" x={`${(100 - part * 100).toFixed(2)}%`} width={`${(part * 100).toFixed(2)}%`} height="14" />
      </svg>
      <figcaption>
        <span>
          <svg class="swatch" viewBox="0 0 10 10" width="10" height="10" aria-hidden="true">
            <rect class="layer-application" width="10" height="10" rx="2" />
          </svg>
          in the server {text(duration(server))}
        </span>
        <span>
          <svg class="swatch" viewBox="0 0 10 10" width="10" height="10" aria-hidden="true">
            <rect class="layer-network" width="10" height="10" rx="2" />
          </svg>
          network and queues {text(duration(network))} ({text(share(part))})
        </span>
      </figcaption>
    </figure>
  );
}

function PanelFrame({ title, kind, children }: { title: string; kind: string; children: ComponentChildren }) {
  return (
    <aside class="card map-panel" aria-label={title}>
      <header>
        <div>
          <p class="muted note">{kind}</p>
          <h2>{title}</h2>
        </div>
        <a class="button button-quiet button-small" href={changed({ node: null, source: null, target: null })} aria-label="Close">
          <Icon name="cross" />
        </a>
      </header>
      {children}
    </aside>
  );
}

export function EdgePanel({ of, map, seconds }: { of: TopologyEdge; map: Topology; seconds: number }) {
  const name = (id: string): string => map.nodes.find((node) => node.id === id)?.name ?? id;
  const target = map.nodes.find((node) => node.id === of.target);
  const seen = ofEdge(of);
  const filters =
    of.server === null ? { service: of.source, side: "client", peer: name(of.target) } : { service: of.target, side: "server", peer: name(of.source) };
  const isLinked = of.is_http && (of.server === null || target?.kind === "service");
  return (
    <PanelFrame title={`${name(of.source)} → ${name(of.target)}`} kind={`${of.is_http ? "HTTP" : "TCP without HTTP"}${of.is_tls ? " over TLS" : ""}`}>
      <NetworkShare of={of} />
      <EdgeTable of={of} seconds={seconds} />
      {isLinked && (
        <p class="ways-out ways-left">
          <a href={href("/exchanges", toAddress(filters))}>Exchanges between them</a>
          {typeof seen?.p95_ns === "number" && <a href={href("/exchanges", toAddress({ ...filters, slower: slowerThan(seen.p95_ns) }))}>the slow ones</a>}
          {seen !== null && seen.success_rate !== null && seen.success_rate < 1 && <a href={href("/exchanges", toAddress({ ...filters, status: "5xx" }))}>the failed ones</a>}
        </p>
      )}
    </PanelFrame>
  );
}

function Neighbours({ of, map }: { of: TopologyNode; map: Topology }) {
  const name = (id: string): string => map.nodes.find((node) => node.id === id)?.name ?? id;
  const lists = [
    { title: "Called by", edges: map.edges.filter((edge) => edge.target === of.id), other: (edge: TopologyEdge) => edge.source },
    { title: "Calls", edges: map.edges.filter((edge) => edge.source === of.id), other: (edge: TopologyEdge) => edge.target },
  ];
  return (
    <>
      {lists
        .filter(({ edges }) => edges.length > 0)
        .map(({ title, edges, other }) => (
          <table key={title} class="small-table">
            <caption>{title}</caption>
            <tbody>
              {edges.map((edge) => {
                const seen = ofEdge(edge);
                return (
                  <tr key={other(edge)}>
                    <th scope="row">
                      <a href={changed({ node: null, source: edge.source, target: edge.target })}>{name(other(edge))}</a>
                    </th>
                    <td class="number">{edge.is_http ? <Figure of={measured(seen?.calls_per_minute, perMinute)} why={NO_CALLS} /> : "TCP"}</td>
                    <td class="number">{edge.is_http && <Figure of={measured(seen?.p95_ns, duration)} why={NO_CALLS} title="p95" />}</td>
                  </tr>
                );
              })}
            </tbody>
          </table>
        ))}
    </>
  );
}

export function NodePanel({ of, map }: { of: TopologyNode; map: Topology }) {
  const { seen } = of;
  return (
    <PanelFrame title={of.name} kind={KIND_NAME[of.kind]}>
      {seen === null ? (
        <p class="muted">{of.kind === "service" ? "Nobody here was seen to call it; it calls others." : "No process that rover watches has this address."}</p>
      ) : (
        <Facts>
          <Fact name="Calls">
            <Figure of={perMinute(seen.calls_per_minute)} why={NO_CALLS} />
          </Fact>
          <Fact name="Success">
            <Figure of={measured(seen.success_rate, share)} why={NO_CALLS} />
          </Fact>
          <Fact name="p50 · p95 · p99">
            {[seen.p50_ns, seen.p95_ns, seen.p99_ns].map((ns, index) => (
              <span key={["p50", "p95", "p99"][index]}>
                {index > 0 && " · "}
                <Figure of={measured(ns, duration)} why={NO_CALLS} />
              </span>
            ))}
          </Fact>
          <Fact name="Sent, received">
            {text(bytes(seen.sent_bytes))}, {text(bytes(seen.received_bytes))}
          </Fact>
        </Facts>
      )}
      <Neighbours of={of} map={map} />
      <p class="ways-out ways-left">
        {of.kind === "service" && seen !== null && <a href={serviceHref(of.name)}>Open the service</a>}
        <a href={changed({ focus: of.id })}>Only this and its neighbours</a>
      </p>
    </PanelFrame>
  );
}
