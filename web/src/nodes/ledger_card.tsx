/** What became of everything that was captured. */
import type { Ledger } from "../api/types";
import { count, share, text } from "../format/numbers";
import { Figure } from "../parts/figure";
import { Icon } from "../parts/icon";
import { type Balance, balance, type Cause, causeName } from "./ledger";

function CauseRow({ cause, captured }: { cause: Cause; captured: number }) {
  const isBad = cause.isLoss && cause.count > 0;
  return (
    <tr class={isBad ? "is-loss" : undefined}>
      <th scope="row">
        {isBad && <Icon name="warning" label="lost" />}
        {causeName(cause.name)}
      </th>
      <td class="number">{count(cause.count)}</td>
      <td class="number">
        <Figure of={captured > 0 ? share(cause.count / captured) : null} why="nothing captured yet" />
      </td>
      <td class="meaning">{cause.meaning}</td>
    </tr>
  );
}

/** Width of the bar, and the least of a part of it: one lost operation among millions must be there to be seen. */
const WIDTH = 1000;
const LEAST = 4;

/** In records, on the way, left out, lost: as one bar. */
function Bar({ of }: { of: Balance }) {
  const parts = [
    ["ok", "in records", of.reported],
    ["flight", "on their way", of.inFlight],
    ["decided", "left out", of.leftOut],
    ["lost", "lost", of.lost],
  ] as const;
  const total = Math.max(1, of.reported + of.inFlight + of.leftOut + of.lost);
  let end = 0;
  return (
    <>
      <svg class="balance" viewBox={`0 0 ${WIDTH} 12`} preserveAspectRatio="none" aria-hidden="true">
        {parts.map(([style, , value]) => {
          const width = value > 0 ? Math.max(LEAST, (value / total) * WIDTH) : 0;
          const start = Math.min(end, WIDTH - width);
          end += width;
          return <rect key={style} class={`balance-${style}`} x={start} width={width} height="12" />;
        })}
      </svg>
      <ul class="legend">
        {parts.map(([style, name, value]) => (
          <li key={style}>
            <svg class="swatch" viewBox="0 0 10 10" width="10" height="10" aria-hidden="true">
              <rect class={`balance-${style}`} width="10" height="10" rx="2" />
            </svg>
            <strong>{count(value)}</strong> {name}
          </li>
        ))}
      </ul>
    </>
  );
}

function Verdict({ of }: { of: Balance }) {
  if (of.captured === 0) return <p>Nothing has been captured yet.</p>;
  if (of.lost === 0) {
    return (
      <p class="state-text-ok">
        <Icon name="check" /> Complete: of {count(of.captured)} captured reads and writes none is lost.
      </p>
    );
  }
  return (
    <p class="state-text-warning">
      <Icon name="warning" /> {count(of.lost)} of {count(of.captured)} captured reads and writes are lost ({text(share(of.lost / of.captured))}).
    </p>
  );
}

function Causes({ of }: { of: Balance }) {
  return (
    <table class="small-table causes">
      <thead>
        <tr>
          <th scope="col">Cause</th>
          <th scope="col" class="number">
            Count
          </th>
          <th scope="col" class="number">
            Share
          </th>
          <th scope="col" class="meaning">
            Meaning
          </th>
        </tr>
      </thead>
      <tbody>
        {of.causes.map((cause) => (
          <CauseRow key={cause.name} cause={cause} captured={of.captured} />
        ))}
      </tbody>
    </table>
  );
}

/** Null while it loads. */
export function LedgerCard({ ledger }: { ledger: Ledger | null }) {
  const sums = ledger === null ? null : balance(ledger);
  return (
    <section class="card" aria-labelledby="ledger-title">
      <h2 id="ledger-title">Ledger</h2>
      {sums !== null ? (
        <>
          <Verdict of={sums} />
          <Bar of={sums} />
          <Causes of={sums} />
        </>
      ) : (
        <p class="muted">{ledger === null ? <>&nbsp;</> : "No daemon runs beside this backend, so there is no ledger here. Each daemon keeps its own."}</p>
      )}
    </section>
  );
}
