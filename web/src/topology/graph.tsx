/** The map as SVG: every node and edge is a link, so that keys, history and screen readers need nothing of their own. */
import { changed } from "../address";
import { short, type Box, type Picture, type PlacedEdge, type PlacedNode } from "./layout";
import { edgeLabel, figures, spokenEdge, spokenNode, state } from "./marks";

/** Marks inside a circle: colour is never the only signal. */
const GLYPHS = {
  ok: "M-4.5 .5 -1.5 3.5 4.5 -3",
  warning: "M0 -4.5V1M0 4h.01",
  error: "M-4 -4 4 4M4 -4 -4 4",
  unknown: "M-5 0h9M1 -3.5 4.5 0 1 3.5",
  group: "M-5 -5h4v4h-4zM1 -5h4v4h-4zM-5 1h4v4h-4zM1 1h4v4h-4z",
  host: "M-5.5 -5h11v8h-11zM-2.5 6h5",
  external: "M0 -6a6 6 0 1 0 0 12a6 6 0 1 0 0 -12M-6 0h12M0 -6c-4 4 -4 8 0 12M0 -6c4 4 4 8 0 12",
} as const;

function glyph({ node }: PlacedNode): string {
  if (node.kind === "group" || node.kind === "host" || node.kind === "external") return GLYPHS[node.kind];
  return GLYPHS[state(node)];
}

/** The failed share as a part of the ring, at least so much of it that it is seen. */
function FailedArc({ of }: { of: PlacedNode }) {
  const failed = of.node.successRate === null ? 0 : 1 - of.node.successRate;
  if (failed <= 0) return null;
  const round = 2 * Math.PI * of.radius;
  const length = Math.max(0.06, failed) * round;
  return <circle class="ring ring-failed" r={of.radius} stroke-dasharray={`${length} ${round - length}`} transform="rotate(-90)" />;
}

function Node({ of, isChosen, isFar }: { of: PlacedNode; isChosen: boolean; isFar: boolean }) {
  const { node, radius } = of;
  const address = node.kind === "group" ? changed({ open: node.name, node: null, source: null, target: null }) : changed({ node: isChosen ? null : node.id, source: null, target: null });
  const style = `map-node map-${node.kind} map-${state(node)}${isChosen ? " is-chosen" : ""}${isFar ? " is-far" : ""}`;
  return (
    <g class={style} data-row transform={`translate(${of.x} ${of.y})`}>
      <a class="row-link" href={address} aria-current={isChosen ? "true" : undefined}>
        <title>{spokenNode(node)}</title>
        <rect class="map-target" x="-66" y={-radius - 6} width="132" height={radius * 2 + 46} rx="8" />
        <circle class="ring" r={radius} />
        <FailedArc of={of} />
        <path class="map-glyph" d={glyph(of)} />
        <text class="map-name" y={radius + 17} text-anchor="middle">
          {short(node.name)}
        </text>
        <text class="map-figures" y={radius + 32} text-anchor="middle">
          {node.members > 1 ? `${node.members} services` : figures(node)}
        </text>
      </a>
    </g>
  );
}

function Edge({ of, names, seconds, isChosen, isFar }: { of: PlacedEdge; names: readonly [string, string]; seconds: number; isChosen: boolean; isFar: boolean }) {
  const { edge } = of;
  const label = edgeLabel(edge, seconds);
  const width = label.length * 6.4 + 12;
  const one = edge.of.length === 1 ? edge.of[0] : undefined;
  const chosen = one === undefined ? {} : { source: isChosen ? null : one.source, target: isChosen ? null : one.target };
  const style = `map-edge map-${state(edge)}${edge.isHttp ? "" : " is-tcp"}${isChosen ? " is-chosen" : ""}${isFar ? " is-far" : ""}`;
  const says = spokenEdge(edge, names[0], names[1], seconds);
  return (
    <g class={style} data-row>
      <a class="row-link" href={changed({ node: null, ...chosen })} aria-current={isChosen ? "true" : undefined}>
        <title>{says}</title>
        <path class="map-hit" d={of.path} />
        <path class="map-line" d={of.path} stroke-width={of.width} marker-end={`url(#arrow-${state(edge) === "error" ? "error" : "plain"})`} />
        <rect class="map-label-ground" x={of.x - width / 2} y={of.y - 9} width={width} height="18" rx="9" />
        <text class="map-label" x={of.x} y={of.y + 4} text-anchor="middle">
          {label}
        </text>
      </a>
    </g>
  );
}

function Group({ of, canClose }: { of: Box; canClose: boolean }) {
  const name = (
    <text class="map-group-name" x={of.x + 12} y={of.y + 18}>
      {short(of.name)}
      {canClose ? "  ×" : ""}
    </text>
  );
  return (
    <g class="map-group">
      <rect x={of.x} y={of.y} width={of.width} height={of.height} rx="12" />
      {canClose ? (
        <a href={changed({ open: null })} aria-label={`Close the group ${of.name}`}>
          {name}
        </a>
      ) : (
        name
      )}
    </g>
  );
}

/** Arrowheads in the colours of edges. */
function Arrows() {
  return (
    <defs>
      {(["plain", "error"] as const).map((kind) => (
        <marker key={kind} id={`arrow-${kind}`} class={`arrow-${kind}`} viewBox="0 0 8 8" refX="1" refY="4" markerWidth="8" markerHeight="8" markerUnits="userSpaceOnUse" orient="auto-start-reverse">
          <path d="M0 0 8 4 0 8z" />
        </marker>
      ))}
    </defs>
  );
}

/** The smallest scale at which names can be read; what is larger then is scrolled. */
const LEAST_SCALE = 0.66;
const MOST_SCALE = 1.15;

/** How the picture fits into so much width. */
export function scaleOf(picture: Picture, width: number): number {
  return Math.min(MOST_SCALE, Math.max(LEAST_SCALE, width / picture.width));
}

export interface GraphProps {
  picture: Picture;
  width: number;
  zoom: number;
  seconds: number;
  chosenNode: string | null;
  chosenEdge: readonly [string, string] | null;
  canClose: boolean;
}

export function MapGraph({ picture, width, zoom, seconds, chosenNode, chosenEdge, canClose }: GraphProps) {
  const scale = scaleOf(picture, width) * zoom;
  const names = new Map(picture.nodes.map(({ node }) => [node.id, node.name]));
  const isEdge = ({ edge }: PlacedEdge): boolean => chosenEdge !== null && edge.of.some((one) => one.source === chosenEdge[0] && one.target === chosenEdge[1]);
  const ofNode = ({ edge }: PlacedEdge): boolean => edge.source === chosenNode || edge.target === chosenNode;
  const near = new Set(chosenNode === null ? [] : [chosenNode, ...picture.edges.filter(ofNode).flatMap(({ edge }) => [edge.source, edge.target])]);
  for (const { edge } of picture.edges.filter(isEdge)) near.add(edge.source).add(edge.target);
  const hasChosen = near.size > 0;
  return (
    <svg class="map" viewBox={`0 0 ${picture.width} ${picture.height}`} width={Math.round(picture.width * scale)} height={Math.round(picture.height * scale)} role="group" aria-label="Map of services">
      <Arrows />
      {picture.boxes.map((box) => (
        <Group key={box.name} of={box} canClose={canClose} />
      ))}
      {picture.edges.map((placed) => (
        <Edge
          key={JSON.stringify([placed.edge.source, placed.edge.target])}
          of={placed}
          names={[names.get(placed.edge.source) ?? "", names.get(placed.edge.target) ?? ""]}
          seconds={seconds}
          isChosen={isEdge(placed)}
          isFar={hasChosen && !isEdge(placed) && !ofNode(placed)}
        />
      ))}
      {picture.nodes.map((placed) => (
        <Node key={placed.node.id} of={placed} isChosen={placed.node.id === chosenNode} isFar={hasChosen && !near.has(placed.node.id)} />
      ))}
    </svg>
  );
}
