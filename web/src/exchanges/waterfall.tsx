/** Where the time of an exchange went: a lane of segments on one axis, and the same figures as a table. */
import type { Exchange } from "../api/types";
import { count, duration, share, text } from "../format/numbers";
import { Figure } from "../parts/figure";
import { whyUnanswered } from "./record";
import { LAYER_NAME, type Segment, segments, ticks } from "./timeline";

const WIDTH = 1000;
const LANE = 26;
/** Segments are at least this wide, so that a microsecond beside a second is still there to be seen. */
const LEAST = 3;

function Lane({ parts, lengthNs, name }: { parts: readonly Segment[]; lengthNs: number; name: string }) {
  const x = (ns: number): number => (ns / lengthNs) * WIDTH;
  return (
    <svg class="lane" viewBox={`0 0 ${WIDTH} ${LANE}`} preserveAspectRatio="none" role="img" aria-label={`Segments at the ${name}; the table below has the figures`}>
      {parts.map((part) => (
        <rect
          key={part.startNs}
          class={`layer-${part.layer}`}
          x={Math.min(x(part.startNs), WIDTH - LEAST).toFixed(2)}
          y="0"
          width={Math.max(LEAST, x(part.endNs - part.startNs) - 1.5).toFixed(2)}
          height={LANE}
        >
          <title>
            {LAYER_NAME[part.layer]}: {part.what}, {text(duration(part.endNs - part.startNs))}
          </title>
        </rect>
      ))}
    </svg>
  );
}

/** Labels of the axis. An SVG that is stretched would stretch its text, so these stand in a grid of their own. */
function Axis({ lengthNs }: { lengthNs: number }) {
  const marks = ticks(lengthNs);
  const step = marks[1] ?? lengthNs;
  return (
    <svg class="axis" width="100%" height="20" aria-hidden="true">
      {marks.map((ns) => {
        const at = (ns / lengthNs) * 100;
        const isLast = lengthNs - ns < step * 0.35;
        return (
          <g key={ns}>
            <line x1={`${at}%`} x2={`${at}%`} y1="0" y2="4" />
            <text x={`${at}%`} y="16" text-anchor={ns === 0 ? "start" : isLast ? "end" : "middle"}>
              {ns === 0 ? "0" : text(duration(ns))}
            </text>
          </g>
        );
      })}
    </svg>
  );
}

function SegmentTable({ parts, lengthNs }: { parts: readonly Segment[]; lengthNs: number }) {
  return (
    <table class="small-table segments">
      <caption class="spoken">Segments of the exchange</caption>
      <thead>
        <tr>
          <th scope="col">Layer</th>
          <th scope="col">What happened</th>
          <th scope="col" class="number">
            From
          </th>
          <th scope="col" class="number">
            Took
          </th>
          <th scope="col" class="number">
            Share
          </th>
        </tr>
      </thead>
      <tbody>
        {parts.map((part) => (
          <tr key={part.startNs}>
            <th scope="row">
              <svg class="swatch" viewBox="0 0 10 10" width="10" height="10" aria-hidden="true">
                <rect class={`layer-${part.layer}`} width="10" height="10" rx="2" />
              </svg>
              {LAYER_NAME[part.layer]}
            </th>
            <td>{part.what}</td>
            <td class="number">
              <Figure of={duration(part.startNs)} why="" title={`${count(part.startNs)} ns after the start`} />
            </td>
            <td class="number">
              <Figure of={duration(part.endNs - part.startNs)} why="" title={`${count(part.endNs - part.startNs)} ns`} />
            </td>
            <td class="number">
              <Figure of={share((part.endNs - part.startNs) / lengthNs)} why="" />
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

export function Waterfall({ of }: { of: Exchange }) {
  const parts = segments(of);
  const lengthNs = Math.max(of.duration_ns ?? 0, ...parts.map((part) => part.endNs), ...of.timeline.map(([, ns]) => ns));
  if (parts.length === 0 || lengthNs <= 0) {
    return <p class="muted">The points in time between start and end are not known: {whyUnanswered(of).toLowerCase()}</p>;
  }
  return (
    <div class="waterfall">
      <div class="lane-name">{of.side}</div>
      <div class="lane-place">
        <Lane parts={parts} lengthNs={lengthNs} name={of.side} />
        <Axis lengthNs={lengthNs} />
      </div>
      <SegmentTable parts={parts} lengthNs={lengthNs} />
    </div>
  );
}
