/** What changed: the services of two time ranges side by side, or the endpoints of one service, the worst change first. */
import { changed, endpointHref, parameters, serviceHref } from "../address";
import { endpoints, serverNow, services } from "../api/client";
import { usePolled } from "../api/polled";
import { duration, perMinute, type Quantity, share } from "../format/numbers";
import { Figure, measured } from "../parts/figure";
import { Icon } from "../parts/icon";
import { openRow } from "../parts/rows";
import { Failure, Freshness, SkeletonRows } from "../parts/states";
import { range, rangeKey, rangePhrase, rangeText, type Range, seconds } from "../range";
import { NothingYet } from "../services/nothing_yet";
import { AGAINST, AGAINST_NAME, type Change, changes, type Compared, difference, named, pair, verdict } from "./changes";

interface Column {
  name: string;
  value: (of: Compared) => number | null;
  show: (value: number) => Quantity;
  /** Whether more of it is worse; null: neither is. */
  isMoreWorse: boolean | null;
  /** Shares are compared by their difference in points, in failures of all calls. */
  isShare?: boolean;
}

const COLUMNS: readonly Column[] = [
  { name: "Calls", value: (one) => one.calls_per_minute, show: perMinute, isMoreWorse: null },
  { name: "Success", value: (one) => one.success_rate, show: share, isMoreWorse: false, isShare: true },
  { name: "p50", value: (one) => one.p50_ns, show: duration, isMoreWorse: true },
  { name: "p95", value: (one) => one.p95_ns, show: duration, isMoreWorse: true },
  { name: "p99", value: (one) => one.p99_ns, show: duration, isMoreWorse: true },
];

function points(before: number | null, now: number | null): string {
  if (before === null || now === null) return "";
  const by = (now - before) * 100;
  return Math.abs(by) < 0.005 ? "same" : `${by < 0 ? "−" : "+"}${Math.abs(by).toFixed(Math.abs(by) < 1 ? 2 : 1)} points`;
}

function Cell({ column, of }: { column: Column; of: Change }) {
  const [before, now] = [of.before, of.now].map((side) => (side === null ? null : column.value(side))) as [number | null, number | null];
  const says = column.isShare === true ? points(before, now) : difference(before, now);
  // A share near 100 % hardly moves; the share of failures does.
  const judged = column.isShare === true ? verdict(before === null ? null : 1 - before, now === null ? null : 1 - now, true) : column.isMoreWorse === null ? null : verdict(before, now, column.isMoreWorse);
  return (
    <td class="number compare-cell" data-label={column.name}>
      <span>
        <span class="muted">
          <Figure of={measured(before, column.show)} why="no call in the time before" />
        </span>
        {" → "}
        <Figure of={measured(now, column.show)} why="no call in this time range" />
      </span>
      <span class={judged === null ? "muted note" : `note delta-${judged}`}>
        {judged === "worse" && <span aria-label="worse">▲ </span>}
        {judged === "better" && <span aria-label="better">▼ </span>}
        {says}
      </span>
    </td>
  );
}

function Rows({ of, service }: { of: readonly Change[]; service: string | null }) {
  const address = (name: string): string => (service === null ? serviceHref(name) : endpointHref(service, name));
  return (
    <tbody>
      {of.map((change) => (
        <tr key={change.name} data-row onClick={(event) => openRow(event, address(change.name))}>
          <th scope="row" class="name">
            <a class="row-link" href={address(change.name)}>
              <span class="name-text">{service === null ? change.name : change.name.replace(":", " ")}</span>
            </a>
            {service === null && (
              <a class="note" href={changed({ service: change.name })}>
                endpoints<span class="spoken"> of {change.name}</span>
              </a>
            )}
            {change.before === null && <span class="flag">new</span>}
            {change.now === null && <span class="flag">gone</span>}
          </th>
          {COLUMNS.map((column) => (
            <Cell key={column.name} column={column} of={change} />
          ))}
        </tr>
      ))}
    </tbody>
  );
}

/** The services of a time range, or the endpoints of one. */
async function compared(service: string | null, when: Range, signal: AbortSignal): Promise<Compared[]> {
  return service === null ? (await services(when, signal)).services : named(await endpoints(service, when, signal));
}

function Crumbs({ service }: { service: string }) {
  return (
    <nav class="crumbs" aria-label="Way here">
      <a href={changed({ service: null })}>All services</a>
      <Icon name="right" />
      <a href={serviceHref(service)}>{service}</a>
      <Icon name="right" />
      <span aria-current="page">What changed?</span>
    </nav>
  );
}

export function ComparePage() {
  const service = parameters.value.get("service");
  const against = AGAINST.find((one) => one === parameters.value.get("against")) ?? "";
  const polled = usePolled(`compare ${against} ${service ?? ""} ${rangeKey.value}`, async (signal) => {
    const both = pair(range.value, against === "" ? null : seconds(against), serverNow());
    const [before, now] = await Promise.all([compared(service, both.before, signal), compared(service, both.now, signal)]);
    return { both, found: changes(before, now) };
  });
  const { data } = polled;
  return (
    <section class="page" aria-busy={data === null && polled.isLoading}>
      {service !== null && <Crumbs service={service} />}
      <header class="page-head">
        <h1>{service === null ? "What changed?" : `What changed in ${service}?`}</h1>
        <p class="page-tools note">
          <span class="muted">Compared with</span>
          {AGAINST.map((one) => (
            <a key={one} href={changed({ against: one })} aria-current={one === against ? "true" : undefined} class={one === against ? "is-now" : undefined}>
              {AGAINST_NAME[one]}
            </a>
          ))}
        </p>
      </header>
      <Freshness of={polled} />
      {data !== null && (
        <p class="muted note">
          {rangeText(data.both.before)} → {rangeText(data.both.now)}. The worst change comes first: failures, then p95.
        </p>
      )}
      {data === null && polled.error !== null ? (
        <Failure what="the comparison" error={polled.error} retryAt={polled.retryAt} retry={polled.reload} />
      ) : data !== null && data.found.length === 0 ? (
        <NothingYet title={`No ${service === null ? "HTTP exchange" : `call to ${service}`} ${rangePhrase(range.value)}, nor before`} />
      ) : (
        <div class="table-card is-scrolled">
          <table class="table compare">
            <caption class="spoken">{service === null ? "Services" : `Endpoints of ${service}`}, before and now</caption>
            <thead>
              <tr>
                <th scope="col">{service === null ? "Service" : "Endpoint"}</th>
                {COLUMNS.map(({ name }) => (
                  <th key={name} scope="col" class="number">
                    {name}
                  </th>
                ))}
              </tr>
            </thead>
            {data === null ? <SkeletonRows columns={COLUMNS.length + 1} /> : <Rows of={data.found} service={service} />}
          </table>
        </div>
      )}
    </section>
  );
}
