/** How many calls took how long, over time. A cell leads to the exchanges in it. */
import { href } from "../address";
import type { Series } from "../api/types";
import { slowerThan, toAddress, type Filters } from "../exchanges/filter";
import { counted, duration, text } from "../format/numbers";
import { between, rangeOf, starts } from "./bars";
import { Chart } from "./chart";

/** Steps of darkness: few enough to be told apart. */
const STEPS = 5;

/** Darkness of a cell: by the logarithm, so that one slow call among thousands is seen. */
export function darkness(calls: number, most: number): number {
  if (calls === 0) return 0;
  return Math.min(STEPS, 1 + Math.floor((Math.log(calls) / Math.log(Math.max(2, most + 1))) * STEPS));
}

export function HeatMap({ of, filters }: { of: Series; filters: Filters }) {
  const { bounds_ns: bounds, counts } = of.heat;
  const bands = Math.max(0, bounds.length - 1);
  const most = Math.max(0, ...counts.flat());
  const bars = counts.length;
  const at = starts(of.span, bars);
  const ticks = Array.from({ length: bands + 1 }, (_, band) => band).filter((band) => band % Math.max(1, Math.ceil(bands / 5)) === 0);
  return (
    <Chart
      title="Latency"
      says={bands === 0 ? "no calls" : `from ${text(duration(bounds[0] ?? 0))} to ${text(duration(bounds[bands] ?? 0))}`}
      span={of.span}
      bars={bars}
      most={bands}
      zero={false}
      ticks={bands === 0 ? [] : ticks}
      show={(band) => text(duration(bounds[band] ?? 0))}
      legend={[
        { name: "few calls", class: "heat-1" },
        { name: "many", class: "heat-5" },
      ]}
    >
      {({ x, y, step }) =>
        counts.flatMap((row, bar) =>
          row.map((calls, band) => {
            if (calls === 0) return null;
            const lower = bounds[band] ?? 0;
            const what = `${between(at[bar] ?? 0, of.span)}: ${counted(calls, "call")} of ${text(duration(lower))} to ${text(duration(bounds[band + 1] ?? 0))}`;
            const cell = { ...toAddress({ ...filters, slower: slowerThan(lower) }), ...rangeOf(of.span, bars, bar, bar) };
            return (
              <a key={`${at[bar]} ${lower}`} class="heat-cell" href={href("/exchanges", cell)} aria-label={`${what}; show them`} draggable={false}>
                <title>{what}</title>
                <rect class={`heat-${darkness(calls, most)}`} x={x(bar) + 0.5} y={y(band + 1) + 0.5} width={Math.max(1, step - 1)} height={Math.max(1, y(band) - y(band + 1) - 1)} rx="1.5" />
              </a>
            );
          }),
        )
      }
    </Chart>
  );
}
