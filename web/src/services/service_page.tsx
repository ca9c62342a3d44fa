/** One service: four figures, its endpoints, and its latest exchanges. */
import type { ComponentChildren } from "preact";

import { compareHref, endpointHref, href, parameters } from "../address";
import { endpoints, exchanges, serverNow, series, services } from "../api/client";
import { usePolled } from "../api/polled";
import type { Endpoint, Endpoints, Service, Services } from "../api/types";
import { ExchangeTable } from "../exchanges/exchange_table";
import { toAddress } from "../exchanges/filter";
import { count, duration, perMinute, share, text, throughput } from "../format/numbers";
import { Figure, measured, Unknown } from "../parts/figure";
import { Icon } from "../parts/icon";
import { Sparkline } from "../parts/sparkline";
import { Failure, Freshness } from "../parts/states";
import { Tile } from "../parts/tile";
import { range, rangeKey, rangePhrase, rangeText } from "../range";
import { EndpointPage, endpointFilters } from "./endpoint_page";
import { failing, health, trend } from "./figures";
import { FiguresTable, type Row, SortNote } from "./figures_table";
import { HttpCharts } from "./http_tab";
import { NothingYet } from "./nothing_yet";
import { InstancesTab, PeersTab } from "./peers_tab";
import { Tabs } from "./tabs";
import { TcpCharts } from "./tcp_tab";

/** Latest exchanges shown below the endpoints. */
const LATEST = 8;
/** Endpoints shown at first: some services have hundreds. */
const MOST_ENDPOINTS = 15;
const NO_CALLS = "no call in this time range";

function row(service: string, endpoint: Endpoint, span: Endpoints["span"]): Row {
  const filters = endpoint.is_other ? { service, side: "server" } : endpointFilters(service, endpoint.endpoint);
  return {
    ...endpoint,
    spark: trend(endpoint.spark, span, serverNow() * 1e6),
    key: endpoint.endpoint,
    name: `${endpoint.path ?? ""} ${endpoint.method ?? ""}`,
    title: endpoint.is_other ? (
      <span class="muted" title="Only so many endpoints have figures of their own; these are the rest together">
        all other endpoints
      </span>
    ) : (
      <>
        <span class="method">{endpoint.method ?? <Unknown why="none that is known" />}</span>
        <span class="path name-text">{endpoint.path}</span>
      </>
    ),
    address: endpoint.is_other ? href("/exchanges", toAddress(filters)) : endpointHref(service, endpoint.endpoint),
    filters,
  };
}

function rows(name: string, { endpoints: list, span }: Endpoints): Row[] {
  return list.map((endpoint) => row(name, endpoint, span));
}

function Tiles({ service, span }: { service: Service | null | undefined; span: Services["span"] | undefined }) {
  const waiting = service === undefined;
  const state = service ? health(service) : "unknown";
  const sub = (children: ComponentChildren): ComponentChildren => (service ? children : <>&nbsp;</>);
  return (
    <div class="tiles" aria-busy={waiting}>
      <Tile label="Calls" sub={sub(service && span && <Sparkline values={trend(service.spark, span, serverNow() * 1e6)} isLarge />)}>
        <Figure of={measured(service?.calls_per_minute, perMinute)} why={NO_CALLS} />
      </Tile>
      <Tile label="Success" state={state} sub={sub(service && (failing(service) > 0 ? `${text(perMinute(failing(service)))} failed` : "no failed call"))}>
        <Figure of={measured(service?.success_rate, share)} why={NO_CALLS} />
      </Tile>
      <Tile
        label="p95"
        sub={sub(
          service && (
            <>
              p50 <Figure of={measured(service.p50_ns, duration)} why={NO_CALLS} /> · p99 <Figure of={measured(service.p99_ns, duration)} why={NO_CALLS} />
            </>
          ),
        )}
      >
        <Figure of={measured(service?.p95_ns, duration)} why={NO_CALLS} />
      </Tile>
      <Tile label="Bytes" sub={sub(service && `${count(service.calls)} calls in the range`)}>
        <Figure of={measured(service?.bytes_per_second, throughput)} why={NO_CALLS} />
      </Tile>
    </div>
  );
}

function Latest({ name }: { name: string }) {
  // The same that the figures count.
  const calls = { service: name, side: "server" };
  const polled = usePolled(`latest ${name} ${rangeKey.value}`, (signal) => exchanges(calls, range.value, { limit: LATEST }, signal));
  const all = href("/exchanges", toAddress(calls));
  return (
    <section aria-labelledby="latest-title">
      <header class="section-head">
        <h2 id="latest-title">Latest exchanges</h2>
        <a class="more" href={all}>
          All of them, live <Icon name="right" />
        </a>
      </header>
      {polled.data === null && polled.error !== null ? (
        <Failure what="the latest exchanges" error={polled.error} retryAt={polled.retryAt} retry={polled.reload} />
      ) : (
        <ExchangeTable rows={polled.data?.exchanges ?? null} skeletonRows={LATEST} caption={`Latest exchanges of ${name}`} />
      )}
    </section>
  );
}

function EndpointsTable({ name }: { name: string }) {
  const list = usePolled(`endpoints ${name} ${rangeKey.value}`, (signal) => endpoints(name, range.value, signal));
  return (
    <section aria-labelledby="endpoints-title">
      <header class="section-head">
        <h2 id="endpoints-title">Endpoints</h2>
        <SortNote />
        <a href={compareHref(name)}>What changed?</a>
      </header>
      {list.data === null && list.error !== null ? (
        <Failure what="the endpoints" error={list.error} retryAt={list.retryAt} retry={list.reload} />
      ) : list.data?.endpoints.length === 0 ? (
        <NothingYet title={`No call to ${name} ${rangePhrase(range.value)}`} />
      ) : (
        <FiguresTable rows={list.data === null ? null : rows(name, list.data)} nameColumn="Endpoint" caption={`Endpoints of ${name}`} most={MOST_ENDPOINTS} />
      )}
    </section>
  );
}

/** Charts of the service. */
function OverTime({ name, tab }: { name: string; tab: "http" | "tcp" }) {
  const polled = usePolled(`series ${name} ${rangeKey.value}`, (signal) => series(name, null, range.value, signal));
  const found = polled.data;
  if (found === null && polled.error !== null) return <Failure what="the charts" error={polled.error} retryAt={polled.retryAt} retry={polled.reload} />;
  if (found === null) return <div class="charts charts-loading" aria-busy="true" />;
  if (tab === "tcp") return <TcpCharts of={found} />;
  if (found.whole.calls === 0) return <NothingYet title={`No call to ${name} ${rangePhrase(range.value)}`} />;
  return <HttpCharts of={found} filters={{ service: name, side: "server" }} />;
}

const TABS = [
  { key: "overview", name: "Overview" },
  { key: "http", name: "HTTP" },
  { key: "tcp", name: "TCP" },
  { key: "instances", name: "Instances" },
  { key: "peers", name: "Peers" },
] as const;

export function ServicePage({ name }: { name: string }) {
  const endpoint = parameters.value.get("endpoint");
  return endpoint === null || endpoint === "" ? <WholeService name={name} /> : <EndpointPage key={endpoint} service={name} endpoint={endpoint} />;
}

function WholeService({ name }: { name: string }) {
  const all = usePolled(`services ${rangeKey.value}`, (signal) => services(range.value, signal));
  const tab = TABS.find(({ key }) => key === parameters.value.get("tab"))?.key ?? "overview";
  const service = all.data === null ? undefined : (all.data.services.find((one) => one.name === name) ?? null);
  return (
    <section class="page">
      <nav class="crumbs" aria-label="Way here">
        <a href={href("/services")}>Services</a>
        <Icon name="right" />
        <span aria-current="page">{name}</span>
      </nav>
      <header class="page-head">
        <h1>{name}</h1>
        <p class="muted note">{rangeText(range.value)}</p>
      </header>
      <Freshness of={all} />
      {all.data === null && all.error !== null ? (
        <Failure what="this service" error={all.error} retryAt={all.retryAt} retry={all.reload} />
      ) : (
        <Tiles service={service} span={all.data?.span} />
      )}
      <Tabs tabs={TABS} now={tab} first="overview" />
      {tab === "overview" && (
        <>
          <EndpointsTable name={name} />
          <Latest name={name} />
        </>
      )}
      {(tab === "http" || tab === "tcp") && <OverTime name={name} tab={tab} />}
      {tab === "instances" && <InstancesTab service={name} />}
      {tab === "peers" && <PeersTab service={name} />}
    </section>
  );
}
