/** All services: is something wrong, and where. */
import { href, serviceHref } from "../address";
import { serverNow, services } from "../api/client";
import { usePolled } from "../api/polled";
import type { Service, Services } from "../api/types";
import { toAddress } from "../exchanges/filter";
import { counted, duration, perMinute, share, text } from "../format/numbers";
import { Icon } from "../parts/icon";
import { Failure, Freshness } from "../parts/states";
import { range, rangeKey, rangePhrase, rangeText } from "../range";
import { failing, health, trend } from "./figures";
import { FiguresTable, type Row, SortNote } from "./figures_table";
import { NothingYet } from "./nothing_yet";

function row(service: Service, span: Services["span"]): Row {
  return {
    ...service,
    spark: trend(service.spark, span, serverNow() * 1e6),
    key: service.name,
    title: (
      <>
        <span class={`health health-${health(service)}`} aria-hidden="true" />
        <span class="name-text">{service.name}</span>
      </>
    ),
    address: serviceHref(service.name),
    filters: { service: service.name, side: "server" },
  };
}

function rows({ services: list, span }: Services): Row[] {
  return list.map((service) => row(service, span));
}

/** One sentence that answers the first question. */
function Verdict({ of }: { of: Services }) {
  const list = of.services;
  const failed = list.filter((service) => failing(service) > 0).toSorted((a, b) => failing(b) - failing(a));
  const worst = failed[0];
  const rate = list.reduce((sum, service) => sum + service.calls_per_minute, 0);
  const calls = perMinute(rate);
  const asked = (of.span.to_ns - of.span.from_ns) / 1e9;
  // Rates divide by the time with data; where that is much less than the range, the reader should know.
  const watched = of.span.watched_s < asked * 0.8 ? `, from ${text(duration(of.span.watched_s * 1e9))} of data` : "";
  const many = `${counted(list.length, "service")}, ${text({ ...calls, unit: calls.unit.replace("/min", " calls/min").trim() })}${watched}`;
  if (worst === undefined) {
    return (
      <p class="verdict verdict-ok">
        <Icon name="check" />
        <span>
          <strong>Every call was answered without a server error.</strong> {many}.
        </span>
      </p>
    );
  }
  const states = new Set(failed.map(health));
  const state = states.has("error") ? "error" : states.has("warning") ? "warning" : "unknown";
  return (
    <p class={`verdict verdict-${state}`}>
      <Icon name={state === "error" ? "failure" : "warning"} />
      <span>
        <strong>
          {worst.name} fails {text(share(1 - (worst.success_rate ?? 1)))} of its calls
          {failed.length > 1 && `, and ${failed.length - 1} more ${failed.length === 2 ? "service fails" : "services fail"} some`}.
        </strong>{" "}
        <a href={href("/exchanges", toAddress({ service: worst.name, status: "5xx", side: "server" }))}>Show them</a>
      </span>
      <span class="muted verdict-rest">{many}</span>
    </p>
  );
}

export function ServicesPage() {
  const polled = usePolled(`services ${rangeKey.value}`, (signal) => services(range.value, signal));
  const list = polled.data?.services ?? null;
  return (
    <section class="page" aria-busy={polled.isLoading && list === null}>
      <header class="page-head">
        <h1>Services</h1>
        <SortNote />
      </header>
      <Freshness of={polled} />
      {list === null && polled.error !== null ? (
        <Failure what="the services" error={polled.error} retryAt={polled.retryAt} retry={polled.reload} />
      ) : list !== null && list.length === 0 ? (
        <NothingYet title={`No HTTP exchange ${rangePhrase(range.value)}`} />
      ) : (
        <>
          {polled.data === null ? <p class="verdict verdict-loading">&nbsp;</p> : <Verdict of={polled.data} />}
          <FiguresTable rows={polled.data === null ? null : rows(polled.data)} nameColumn="Service" hasRetransmits caption={`Services, ${rangeText(range.value)}`} />
        </>
      )}
    </section>
  );
}
