/** What changed: the services of two time ranges side by side, the worst change first. */
import { changed, parameters, serviceHref } from "../address";
import { serverNow, services } from "../api/client";
import { usePolled } from "../api/polled";
import type { Service } from "../api/types";
import { duration, perMinute, type Quantity, share } from "../format/numbers";
import { Figure, measured } from "../parts/figure";
import { openRow } from "../parts/rows";
import { Failure, Freshness, SkeletonRows } from "../parts/states";
import { range, rangeKey, rangePhrase, rangeText, seconds } from "../range";
import { NothingYet } from "../services/nothing_yet";
import { AGAINST, AGAINST_NAME, type Change, changes, difference, pair, verdict } from "./changes";

interface Column {
  name: string;
  value: (service: Service) => number | null;
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

function Rows({ of }: { of: readonly Change[] }) {
  return (
    <tbody>
      {of.map((change) => (
        <tr key={change.name} data-row onClick={(event) => openRow(event, serviceHref(change.name))}>
          <th scope="row" class="name">
            <a class="row-link" href={serviceHref(change.name)}>
              <span class="name-text">{change.name}</span>
            </a>
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

export function ComparePage() {
  const against = AGAINST.find((one) => one === parameters.value.get("against")) ?? "";
  const polled = usePolled(`compare ${against} ${rangeKey.value}`, async (signal) => {
    const both = pair(range.value, against === "" ? null : seconds(against), serverNow());
    const [before, now] = await Promise.all([services(both.before, signal), services(both.now, signal)]);
    return { both, found: changes(before.services, now.services) };
  });
  const { data } = polled;
  return (
    <section class="page" aria-busy={data === null && polled.isLoading}>
      <header class="page-head">
        <h1>What changed?</h1>
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
        <NothingYet title={`No HTTP exchange ${rangePhrase(range.value)}, nor before`} />
      ) : (
        <div class="table-card is-scrolled">
          <table class="table compare">
            <caption class="spoken">Services, before and now</caption>
            <thead>
              <tr>
                <th scope="col">Service</th>
                {COLUMNS.map(({ name }) => (
                  <th key={name} scope="col" class="number">
                    {name}
                  </th>
                ))}
              </tr>
            </thead>
            {data === null ? <SkeletonRows columns={COLUMNS.length + 1} /> : <Rows of={data.found} />}
          </table>
        </div>
      )}
    </section>
  );
}
