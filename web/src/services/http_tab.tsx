/** HTTP of a service or an endpoint over time: by status, by duration. */
import type { Series } from "../api/types";
import { HeatMap } from "../charts/heat";
import { LineChart } from "../charts/lines";
import { type Part, StackChart } from "../charts/stack";
import type { Filters } from "../exchanges/filter";
import { count, duration, text } from "../format/numbers";

const CLASSES = ["2xx", "3xx", "1xx", "4xx", "5xx", "none"] as const;

/** Parts of the status chart, from the floor up: what failed is on top, where it is seen. */
function statusParts(of: Series): Part[] {
  return CLASSES.map((name) => ({ name: name === "none" ? "no response" : name, class: `class-${name}`, values: of.statuses[name] ?? [] }));
}

function time(ns: number): string {
  return text(duration(Math.round(ns)));
}

export function HttpCharts({ of, filters }: { of: Series; filters: Filters }) {
  return (
    <div class="charts">
      <StackChart title="Calls by status" parts={statusParts(of)} span={of.span} show={count} />
      <HeatMap of={of} filters={filters} />
      <LineChart
        title="Duration"
        parts={[
          { name: "p50", class: "line-p50", values: of.p50_ns },
          { name: "p95", class: "line-p95", values: of.p95_ns },
          { name: "p99", class: "line-p99", values: of.p99_ns },
        ]}
        span={of.span}
        show={time}
      />
    </div>
  );
}
