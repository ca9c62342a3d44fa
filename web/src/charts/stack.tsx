/** Values of each bar on top of each other. */
import { type Series as Stacked, stack } from "d3-shape";

import { axis, between, type Span, starts } from "./bars";
import { Chart } from "./chart";

export interface Part {
  name: string;
  class: string;
  values: readonly (number | null)[];
}

interface StackProps {
  title: string;
  parts: readonly Part[];
  span: Span;
  /** A value with its unit. */
  show: (value: number) => string;
  unit?: "count" | "bytes" | "ns";
  /** What the sum over all bars is told as, in the legend. */
  total?: (value: number) => string;
}

type Row = Record<string, number>;

function rows(parts: readonly Part[], bars: number): Row[] {
  return Array.from({ length: bars }, (_, bar) => Object.fromEntries(parts.map((part, index) => [String(index), part.values[bar] ?? 0])));
}

function sum(values: readonly (number | null)[]): number {
  return values.reduce<number>((all, value) => all + (value ?? 0), 0);
}

/** Parts that are zero all the time say nothing. */
export function StackChart({ title, parts: given, span, show, unit = "count", total = show }: StackProps) {
  const parts = given.filter((part) => sum(part.values) > 0);
  const bars = given[0]?.values.length ?? 0;
  const table = rows(parts, bars);
  const layers: Stacked<Row, string>[] = stack<Row>().keys(parts.map((_, index) => String(index)))(table);
  const most = Math.max(0, ...table.map((row) => Object.values(row).reduce((all, value) => all + value, 0)));
  const at = starts(span, bars);
  const says = parts.length === 0 ? "nothing" : parts.map((part) => `${part.name} ${total(sum(part.values))}`).join(", ");
  return (
    <Chart title={title} says={says} span={span} bars={bars} most={most} ticks={most > 0 ? axis(most, unit) : []} show={show} legend={parts.map((part) => ({ name: part.name, class: part.class, value: total(sum(part.values)) }))}>
      {({ x, y, step, top, bottom }) =>
        at.map((ms, bar) => (
          <g key={ms} class="chart-bar">
            <title>
              {between(ms, span)}
              {parts.map((part) => `\n${part.name}: ${part.values[bar] === null ? "–" : show(part.values[bar] ?? 0)}`).join("")}
            </title>
            <rect class="chart-hover" x={x(bar)} y={top} width={step} height={bottom - top} />
            {layers.map((layer, index) => {
              const [low, high] = layer[bar] ?? [0, 0];
              return high > low ? (
                <rect key={layer.key} class={parts[index]?.class} x={x(bar) + step * 0.1} y={y(high)} width={Math.max(1, step * 0.8)} height={Math.max(0.75, y(low) - y(high))} />
              ) : null;
            })}
          </g>
        ))
      }
    </Chart>
  );
}
