/** One endpoint of a service: its figures, its charts, and its latest exchanges. */
import { changed, href, serviceHref } from "../address";
import { exchanges, series } from "../api/client";
import { usePolled } from "../api/polled";
import type { Traffic } from "../api/types";
import { ExchangeTable } from "../exchanges/exchange_table";
import { type Filters, toAddress } from "../exchanges/filter";
import { count, duration, perMinute, share, text } from "../format/numbers";
import { Figure, measured } from "../parts/figure";
import { Icon } from "../parts/icon";
import { Failure, Freshness } from "../parts/states";
import { Tile } from "../parts/tile";
import { range, rangeKey, rangePhrase, rangeText } from "../range";
import { health } from "./figures";
import { HttpCharts } from "./http_tab";
import { NothingYet } from "./nothing_yet";

const LATEST = 8;
const NO_CALLS = "no call in this time range";

/** `GET:/users/{id}` as filters of exchanges: an id is anything. */
export function endpointFilters(service: string, endpoint: string): Filters {
  const at = endpoint.indexOf(":");
  const [method, path] = [endpoint.slice(0, at), endpoint.slice(at + 1)];
  return { service, side: "server", method, path: path.replaceAll(/\{[^{}/]*\}|\*\*/g, "*") };
}

function Tiles({ of }: { of: Traffic | undefined }) {
  const failed = of === undefined || of.success_rate === null ? 0 : (1 - of.success_rate) * of.calls_per_minute;
  return (
    <div class="tiles" aria-busy={of === undefined}>
      <Tile label="Calls" sub={of === undefined ? <>&nbsp;</> : `${count(of.calls)} in the range`}>
        <Figure of={measured(of?.calls_per_minute, perMinute)} why={NO_CALLS} />
      </Tile>
      <Tile label="Success" state={of === undefined ? "unknown" : health(of)} sub={failed > 0 ? `${text(perMinute(failed))} failed` : "no failed call"}>
        <Figure of={measured(of?.success_rate, share)} why={NO_CALLS} />
      </Tile>
      <Tile label="p95" sub={of === undefined ? <>&nbsp;</> : `p50 ${of.p50_ns === null ? "–" : text(duration(of.p50_ns))}`}>
        <Figure of={measured(of?.p95_ns, duration)} why={NO_CALLS} />
      </Tile>
      <Tile label="p99" sub={of === undefined ? <>&nbsp;</> : `mean ${of.mean_ns === null ? "–" : text(duration(of.mean_ns))}`}>
        <Figure of={measured(of?.p99_ns, duration)} why={NO_CALLS} />
      </Tile>
    </div>
  );
}

export function EndpointPage({ service, endpoint }: { service: string; endpoint: string }) {
  const filters = endpointFilters(service, endpoint);
  const over = usePolled(`series ${service} ${endpoint} ${rangeKey.value}`, (signal) => series(service, endpoint, range.value, signal));
  const latest = usePolled(`latest ${service} ${endpoint} ${rangeKey.value}`, (signal) => exchanges(filters, range.value, { limit: LATEST }, signal));
  const name = `${filters.method ?? ""} ${endpoint.slice(endpoint.indexOf(":") + 1)}`;
  return (
    <section class="page">
      <nav class="crumbs" aria-label="Way here">
        <a href={href("/services")}>Services</a>
        <Icon name="right" />
        <a href={serviceHref(service)}>{service}</a>
        <Icon name="right" />
        <span aria-current="page">{name}</span>
      </nav>
      <header class="page-head">
        <h1>
          <span class="method">{filters.method}</span> <span class="path">{endpoint.slice(endpoint.indexOf(":") + 1)}</span>
        </h1>
        <p class="muted note">{rangeText(range.value)}</p>
      </header>
      <Freshness of={over} />
      {over.data === null && over.error !== null ? (
        <Failure what="this endpoint" error={over.error} retryAt={over.retryAt} retry={over.reload} />
      ) : over.data?.whole.calls === 0 ? (
        <NothingYet title={`No call to ${name} ${rangePhrase(range.value)}`} />
      ) : (
        <>
          <Tiles of={over.data?.whole} />
          {over.data === null ? <div class="charts charts-loading" aria-busy="true" /> : <HttpCharts of={over.data} filters={filters} />}
        </>
      )}
      <section aria-labelledby="latest-title">
        <header class="section-head">
          <h2 id="latest-title">Latest exchanges</h2>
          <a class="more" href={href("/exchanges", toAddress(filters))}>
            All of them, live <Icon name="right" />
          </a>
        </header>
        {latest.data === null && latest.error !== null ? (
          <Failure what="the latest exchanges" error={latest.error} retryAt={latest.retryAt} retry={latest.reload} />
        ) : (
          <ExchangeTable rows={latest.data?.exchanges ?? null} skeletonRows={LATEST} caption={`Latest exchanges of ${name}`} />
        )}
      </section>
      <p>
        <a href={changed({ endpoint: null })}>All endpoints of {service}</a>
      </p>
    </section>
  );
}
