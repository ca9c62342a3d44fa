/** Where the time of an exchange went: lanes of segments on one axis, and the same figures as a table. */
import type { Exchange } from "../api/types";
import { count, duration, share, text } from "../format/numbers";
import { Figure } from "../parts/figure";
import type { Clocks } from "./both_ends";
import { type Axis, bars, type Lane, plan, ticks } from "./lanes";
import { LayerTable } from "./layer_table";
import { Swatch } from "./labels";
import { endName, whyUnanswered } from "./record";
import { LAYER_NAME, type Segment } from "./timeline";

function took(part: Segment): string {
  return text(duration(part.endNs - part.startNs));
}

/** What the picture says, for those who do not see it. */
function spoken({ name, parts }: Lane): string {
  if (parts.length === 0) return `${name}: nothing is known`;
  return `${name}: ${parts.map((part) => `${LAYER_NAME[part.layer]} ${took(part)}, ${part.what}`).join("; ")}`;
}

function Bars({ of, on }: { of: Lane; on: Axis }) {
  return (
    <svg class="lane" width="100%" height="42" role="img" aria-label={spoken(of)}>
      <rect class="lane-ground" width="100%" height="26" rx="4" />
      {bars(of.parts, on).map(({ part, x, width, label }) => (
        <g key={`${part.startNs} ${part.what}`}>
          <rect class={`segment layer-${part.layer}`} x={`${x.toFixed(4)}%`} width={`${width.toFixed(4)}%`} height="26">
            <title>
              {LAYER_NAME[part.layer]}: {part.what}, {took(part)}
            </title>
          </rect>
          {label !== null && (
            <text x={`${(x + width / 2).toFixed(4)}%`} y="39" text-anchor="middle">
              {label}
            </text>
          )}
        </g>
      ))}
    </svg>
  );
}

/** Labels of the axis. */
function AxisMarks({ on }: { on: Axis }) {
  const lengthNs = on.endNs - on.startNs;
  const marks = ticks(lengthNs, on.startNs);
  const step = (marks[1] ?? lengthNs) - (marks[0] ?? 0);
  return (
    <svg class="axis" width="100%" height="20" aria-hidden="true">
      {marks.map((ns) => {
        const at = `${(((ns - on.startNs) / lengthNs) * 100).toFixed(4)}%`;
        const anchor = ns - on.startNs < step * 0.35 ? "start" : on.endNs - ns < step * 0.35 ? "end" : "middle";
        return (
          <g key={ns}>
            <line x1={at} x2={at} y1="0" y2="4" />
            <text x={at} y="16" text-anchor={anchor}>
              {ns === 0 ? "0" : text(duration(ns))}
            </text>
          </g>
        );
      })}
    </svg>
  );
}

/** How far the two lanes can be trusted to lie right. */
function ClockNote({ of }: { of: Clocks }) {
  if (of.isOne) return <>Both ends were seen on one node, by one clock.</>;
  if (of.offsetNs === null || of.withinNs === null) {
    return <>The ends were seen on two nodes, and how far their clocks are apart is not known: drawn as the clocks are.</>;
  }
  return (
    <>
      The ends were seen on two nodes: the server's clock is {text(duration(Math.abs(of.offsetNs)))} {of.offsetNs < 0 ? "behind" : "ahead of"} the
      client's, ± {text(duration(of.withinNs))}. Taken out here as if both ways took the same time.
    </>
  );
}

function SegmentTable({ lanes, on }: { lanes: readonly Lane[]; on: Axis }) {
  const lengthNs = on.endNs - on.startNs;
  const hasEnds = lanes.length > 1;
  return (
    <table class="small-table segments">
      <caption>Step by step</caption>
      <thead>
        <tr>
          {hasEnds && <th scope="col">Where</th>}
          <th scope="col">Layer</th>
          <th scope="col">What happened</th>
          <th scope="col" class="number from">
            From
          </th>
          <th scope="col" class="number">
            Took
          </th>
          <th scope="col" class="number share">
            Share
          </th>
        </tr>
      </thead>
      <tbody>
        {lanes.flatMap(({ name, parts }) =>
          parts.map((part) => (
            <tr key={`${name} ${part.startNs} ${part.what}`}>
              {hasEnds && <td>{name}</td>}
              <th scope="row">
                <Swatch layer={part.layer} />
                {LAYER_NAME[part.layer]}
              </th>
              <td>{part.what}</td>
              <td class="number from">
                <Figure of={duration(part.startNs)} why="" title={`${count(part.startNs)} ns after the start`} />
              </td>
              <td class="number">
                <Figure of={duration(part.endNs - part.startNs)} why="" title={`${count(part.endNs - part.startNs)} ns`} />
              </td>
              <td class="number share">
                <Figure of={share((part.endNs - part.startNs) / lengthNs)} why="" />
              </td>
            </tr>
          )),
        )}
      </tbody>
    </table>
  );
}

function Lanes({ of, on }: { of: readonly Lane[]; on: Axis }) {
  return (
    <div class="lanes">
      {of.map((lane) => (
        <div key={lane.name} class="lane-row">
          <div class="lane-name">
            {lane.name}
            {lane.record !== null && of.length > 1 && <span class="lane-who">{endName(lane.record.local)}</span>}
          </div>
          <Bars of={lane} on={on} />
        </div>
      ))}
      <div class="lane-row">
        <div class="lane-name" />
        <AxisMarks on={on} />
      </div>
    </div>
  );
}

/** The waterfall of a record and, if the other end was seen too, of its partner. */
export function Waterfall({ of, partner }: { of: Exchange; partner: Exchange | null }) {
  const { lanes, axis, clocks } = plan(of, partner);
  const isDrawn = lanes.some((lane) => lane.parts.length > 0);
  return (
    <div class="waterfall">
      {isDrawn ? (
        <Lanes of={lanes} on={axis} />
      ) : (
        <p class="muted">The points in time between start and end are not known: {whyUnanswered(of).toLowerCase()}</p>
      )}
      {isDrawn && clocks !== null && (
        <p class="muted clocks">
          <ClockNote of={clocks} />
        </p>
      )}
      <div class={partner === null ? "waterfall-tables" : "waterfall-tables has-both"}>
        {isDrawn && <SegmentTable lanes={lanes} on={axis} />}
        {lanes.map(({ record, name }) => record !== null && <LayerTable key={name} of={record} />)}
      </div>
    </div>
  );
}
