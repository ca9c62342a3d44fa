/** Calls over the time range as a small picture. Plain SVG: a chart library would weigh more than the whole page. */
import { count } from "../format/numbers";

const WIDTH = 100;
const HEIGHT = 28;
/** Room for the stroke at both edges. */
const EDGE = 2;

/** The line through the buckets in the picture's own units; one bucket is a flat line. */
export function line(values: readonly number[]): [number, number][] {
  const peak = Math.max(...values, 1);
  const step = values.length > 1 ? WIDTH / (values.length - 1) : WIDTH;
  const points = values.map((value, index): [number, number] => [
    index * step,
    HEIGHT - EDGE - (value / peak) * (HEIGHT - 2 * EDGE),
  ]);
  const only = points[0];
  return points.length === 1 && only !== undefined ? [only, [WIDTH, only[1]]] : points;
}

export function Sparkline({ values, isLarge = false }: { values: readonly number[]; isLarge?: boolean }) {
  const label = values.length === 0 ? "no calls" : `calls over time: at most ${count(Math.max(...values))}, last ${count(values.at(-1) ?? 0)} per interval`;
  const path = line(values)
    .map(([x, y], index) => `${index === 0 ? "M" : "L"}${x.toFixed(2)} ${y.toFixed(2)}`)
    .join("");
  return (
    <svg class={isLarge ? "spark spark-large" : "spark"} viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" role="img" aria-label={label}>
      <title>{label}</title>
      {path !== "" && (
        <>
          <path class="spark-area" d={`${path}L${WIDTH} ${HEIGHT}L0 ${HEIGHT}Z`} />
          <path class="spark-line" d={path} />
        </>
      )}
    </svg>
  );
}
