/** The frame of a chart: axes, legend, and a drag that selects time. What is drawn inside is given. */
import { scaleLinear } from "d3-scale";
import type { ComponentChildren } from "preact";
import { useRef, useState } from "preact/hooks";

import { changed, go } from "../address";
import { useWidth } from "../parts/width";
import { label, marks, rangeOf, type Span, starts } from "./bars";

export const HEIGHT = 168;
const LEFT = 58;
const RIGHT = 6;
const TOP = 8;
const BOTTOM = 22;

export interface Plot {
  /** Left edge of a bar, and its width. */
  x: (bar: number) => number;
  step: number;
  /** Place of a value. */
  y: (value: number) => number;
  bottom: number;
  top: number;
}

export interface LegendEntry {
  name: string;
  class: string;
  value?: string;
  /** For lines: their own dashes, so that colour is not all. */
  isLine?: boolean;
}

const NO_LEGEND: readonly LegendEntry[] = [];

interface ChartProps {
  title: string;
  /** One sentence for those who do not see it. */
  says: string;
  span: Span;
  bars: number;
  /** Largest value. */
  most: number;
  /** A value of the axis. */
  show: (value: number) => string;
  /** Values that get a mark. */
  ticks: readonly number[];
  legend?: readonly LegendEntry[];
  /** Whether 0 of the axis is nothing, and needs no unit. */
  zero?: boolean;
  children: (plot: Plot) => ComponentChildren;
}

/** Turns a drag over the chart into the bars it covers. */
function useDrag(span: Span, bars: number, barAt: (event: PointerEvent) => number) {
  const first = useRef<number | null>(null);
  const [drag, setDrag] = useState<readonly [number, number] | null>(null);
  const down = (event: PointerEvent): void => {
    if (event.button !== 0 || event.pointerType === "touch") return;
    first.current = barAt(event);
  };
  const move = (event: PointerEvent): void => {
    if (first.current === null) return;
    const at = barAt(event);
    if (drag !== null || at !== first.current) setDrag([first.current, at]);
  };
  const up = (): void => {
    if (drag !== null) go(changed(rangeOf(span, bars, drag[0], drag[1])));
    first.current = null;
    setDrag(null);
  };
  const leave = (): void => {
    first.current = null;
    setDrag(null);
  };
  return { drag, handlers: { onPointerDown: down, onPointerMove: move, onPointerUp: up, onPointerLeave: leave } };
}

export function Swatch({ entry }: { entry: LegendEntry }) {
  return (
    <svg class="swatch" viewBox="0 0 14 10" width="14" height="10" aria-hidden="true">
      {entry.isLine === true ? <path class={`chart-line ${entry.class}`} d="M0 5h14" /> : <rect class={entry.class} x="2" width="10" height="10" rx="2" />}
    </svg>
  );
}

export function Chart({ title, says, span, bars, most, show, ticks, legend = NO_LEGEND, zero = true, children }: ChartProps) {
  const [box, width] = useWidth();
  const step = Math.max(0, width - LEFT - RIGHT) / Math.max(1, bars);
  const y = scaleLinear([0, most <= 0 ? 1 : most], [HEIGHT - BOTTOM, TOP]);
  const plot: Plot = { x: (bar) => LEFT + bar * step, step, y, bottom: HEIGHT - BOTTOM, top: TOP };
  const barAt = (event: PointerEvent): number => {
    const from = (event.currentTarget as Element).getBoundingClientRect().left;
    return Math.min(bars - 1, Math.max(0, Math.floor((event.clientX - from - LEFT) / Math.max(1, step))));
  };
  const { drag, handlers } = useDrag(span, bars, barAt);
  const at = starts(span, bars);
  return (
    <figure class="chart">
      <figcaption>
        <h2>{title}</h2>
        <span class="legend">
          {legend.map((entry) => (
            <span key={entry.name}>
              <Swatch entry={entry} />
              {entry.name}
              {entry.value !== undefined && <> {entry.value}</>}
            </span>
          ))}
        </span>
      </figcaption>
      <div class="chart-box" ref={box}>
        {width > 0 && (
          <svg width={width} height={HEIGHT} role="group" aria-label={`${title}: ${says}`} {...handlers}>
            {ticks.map((value) => (
              <g key={value} aria-hidden="true">
                <line class="chart-grid" x1={LEFT} x2={width - RIGHT} y1={y(value)} y2={y(value)} />
                <text class="chart-text" x={LEFT - 8} y={y(value) + 4} text-anchor="end">
                  {value === 0 && most > 0 && zero ? "0" : show(value)}
                </text>
              </g>
            ))}
            {marks(bars, width).map((bar) => (
              <text key={bar} class="chart-text" x={plot.x(bar)} y={HEIGHT - 5} text-anchor={bar === 0 ? "start" : "middle"} aria-hidden="true">
                {label(at[bar] ?? 0, span)}
              </text>
            ))}
            {most <= 0 && (
              <text class="chart-text" x={LEFT + (step * bars) / 2} y={HEIGHT / 2} text-anchor="middle">
                none in this time range
              </text>
            )}
            {children(plot)}
            {drag !== null && (
              <rect class="chart-drag" x={plot.x(Math.min(...drag))} y={TOP} width={(Math.abs(drag[1] - drag[0]) + 1) * step} height={plot.bottom - TOP} />
            )}
          </svg>
        )}
      </div>
    </figure>
  );
}
