/** One line for each row of values; a bar without a value interrupts it. */
import { curveMonotoneX, line } from "d3-shape";

import { axis, between, type Span, starts } from "./bars";
import { Chart } from "./chart";
import type { Part } from "./stack";

export function LineChart({ title, parts, span, show }: { title: string; parts: readonly Part[]; span: Span; show: (value: number) => string }) {
  const bars = parts[0]?.values.length ?? 0;
  const most = Math.max(0, ...parts.flatMap((part) => part.values.map((value) => value ?? 0)));
  const at = starts(span, bars);
  const worst = (values: readonly (number | null)[]): string => show(Math.max(0, ...values.map((value) => value ?? 0)));
  return (
    <Chart
      title={title}
      says={parts.map((part) => `${part.name} at most ${worst(part.values)}`).join(", ")}
      span={span}
      bars={bars}
      most={most}
      ticks={most > 0 ? axis(most, "ns") : []}
      show={show}
      legend={parts.map((part) => ({ name: part.name, class: part.class, isLine: true }))}
    >
      {({ x, y, step, top, bottom }) => (
        <>
          {parts.map((part) => {
            const draw = line<number | null>(
              (_, bar) => x(bar) + step / 2,
              (value) => y(value ?? 0),
            )
              .defined((value) => value !== null)
              .curve(curveMonotoneX);
            return (
              <g key={part.name}>
                <path class={`chart-line ${part.class}`} d={draw(part.values) ?? ""} />
                {part.values.map((value, bar) =>
                  // A value with nothing beside it would be no line at all.
                  value !== null && (part.values[bar - 1] ?? null) === null && (part.values[bar + 1] ?? null) === null ? (
                    <circle key={at[bar]} class={`chart-dot ${part.class}`} cx={x(bar) + step / 2} cy={y(value)} r="3" />
                  ) : null,
                )}
              </g>
            );
          })}
          {at.map((ms, bar) => (
            <g key={ms} class="chart-bar">
              <title>
                {between(ms, span)}
                {parts.map((part) => `\n${part.name}: ${part.values[bar] === null ? "–" : show(part.values[bar] ?? 0)}`).join("")}
              </title>
              <rect class="chart-hover" x={x(bar)} y={top} width={step} height={bottom - top} />
            </g>
          ))}
        </>
      )}
    </Chart>
  );
}
