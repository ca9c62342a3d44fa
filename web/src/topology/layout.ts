/** Where nodes and edges stand: dagre's layered layout, callers first. The same map gives the same picture each time. */
import { Graph, layout as dagre } from "@dagrejs/dagre";
import { curveBumpX, curveBumpY, line } from "d3-shape";

import type { ShownEdge, ShownNode, View } from "./view";

/** Room below a node for its name and its figures. */
export const CAPTION = 38;
const LABEL = { width: 62, height: 20 };
const NAME_WIDTH = 126;
const LEAST_RADIUS = 15;
const MOST_RADIUS = 27;
const ARROW = 7;

export type Direction = "LR" | "TB";

export interface PlacedNode {
  node: ShownNode;
  x: number;
  /** Of the middle of its circle. */
  y: number;
  radius: number;
}

export interface PlacedEdge {
  edge: ShownEdge;
  path: string;
  x: number;
  y: number;
  width: number;
}

export interface Box {
  name: string;
  x: number;
  y: number;
  width: number;
  height: number;
}

export interface Picture {
  nodes: PlacedNode[];
  edges: PlacedEdge[];
  boxes: Box[];
  width: number;
  height: number;
}

/** By the number of digits of the rate: five sizes, so that a node keeps its own from one refresh to the next. */
export function radius(callsPerMinute: number | null): number {
  const digits = callsPerMinute === null ? 0 : Math.max(0, Math.round(Math.log10(Math.max(1, callsPerMinute))));
  return Math.min(MOST_RADIUS, LEAST_RADIUS + digits * 3);
}

/** Width of an edge, likewise. */
export function thickness(callsPerMinute: number): number {
  return 1.25 + Math.min(4, Math.max(0, Math.round(Math.log10(Math.max(1, callsPerMinute))))) * 0.75;
}

/** Letters of a name that fit under a node. */
export function short(name: string): string {
  return name.length <= 20 ? name : `${name.slice(0, 10)}…${name.slice(-9)}`;
}

interface Point {
  x: number;
  y: number;
}

/** Where an edge meets a node: at the side that looks towards the other end. */
function rim(of: PlacedNode, towards: Point, gap: number, direction: Direction): Point {
  const length = of.radius + gap;
  if (direction === "LR") return { x: of.x + Math.sign(towards.x - of.x) * length, y: of.y };
  // Above a node there is nothing in the way, below it stands its caption.
  return towards.y < of.y ? { x: of.x, y: of.y - length } : { x: of.x, y: of.y + of.radius + CAPTION };
}

const CURVES = { LR: curveBumpX, TB: curveBumpY };

function path(from: PlacedNode, to: PlacedNode, inner: readonly Point[], direction: Direction): string {
  const start = rim(from, inner[0] ?? to, 3, direction);
  const end = rim(to, inner.at(-1) ?? from, 3 + ARROW, direction);
  const smooth = line<Point>(
    (point) => point.x,
    (point) => point.y,
  ).curve(CURVES[direction]);
  return smooth([start, ...inner, end]) ?? "";
}

/** A loop above a node that calls itself. */
function loop({ x, y, radius: r }: PlacedNode): string {
  return `M${x - r * 0.5} ${y - r * 0.95}C${x - r * 1.4} ${y - r * 2.7} ${x + r * 1.4} ${y - r * 2.7} ${x + r * 0.6} ${y - r * 1.25}`;
}

/** Structure of a view, without its figures: the same text, the same places. */
export function structure({ nodes, edges }: View, direction: Direction): string {
  return JSON.stringify([direction, nodes.map(({ id, group }) => [id, group]), edges.map(({ source, target }) => [source, target])]);
}

/** Places of a structure, in the order of its nodes and edges; null: the edge is a loop. */
export interface Plan {
  nodes: Point[];
  edges: ({ inner: Point[]; label: Point } | null)[];
  boxes: Box[];
  width: number;
  height: number;
  direction: Direction;
}

const SPACING = { LR: { nodesep: 20, ranksep: 28 }, TB: { nodesep: 14, ranksep: 26 } };
const WIDTHS = { LR: NAME_WIDTH, TB: 108 };

/** Lays a structure out. Ids of the graph are numbers: a service may have any name. */
export function plan(shown: View, direction: Direction): Plan {
  const graph = new Graph({ compound: true, multigraph: false });
  graph.setGraph({ rankdir: direction, ...SPACING[direction], edgesep: 14, marginx: 16, marginy: 16 });
  graph.setDefaultEdgeLabel(() => ({}));
  const groups = Array.from(new Set(shown.nodes.flatMap(({ group }) => (group === null ? [] : [group]))));
  const hasBoxes = groups.length > 1;
  const number = new Map(shown.nodes.map(({ id }, index) => [id, `n${index}`]));
  if (hasBoxes) for (const index of groups.keys()) graph.setNode(`g${index}`, {});
  for (const { id, group } of shown.nodes) {
    const its = number.get(id) ?? "";
    graph.setNode(its, { width: WIDTHS[direction], height: 2 * MOST_RADIUS + CAPTION });
    if (hasBoxes && group !== null) graph.setParent(its, `g${groups.indexOf(group)}`);
  }
  for (const { source, target } of shown.edges) {
    if (source !== target) graph.setEdge(number.get(source) ?? "", number.get(target) ?? "", { ...LABEL, labelpos: "c" });
  }
  dagre(graph);

  // dagre's lines run between the middles of boxes; ours between circles, which stand higher.
  const rise = direction === "LR" ? CAPTION / 2 : 0;
  const raised = ({ x, y }: Point): Point => ({ x, y: y - rise });
  const whole = graph.graph() as { width?: number; height?: number };
  return {
    direction,
    nodes: shown.nodes.map(({ id }) => {
      const at = graph.node(number.get(id) ?? "") as Point;
      return { x: at.x, y: at.y - CAPTION / 2 };
    }),
    edges: shown.edges.map(({ source, target }) => {
      if (source === target) return null;
      const found = graph.edge(number.get(source) ?? "", number.get(target) ?? "") as Point & { points: Point[] };
      return { inner: found.points.slice(1, -1).map(raised), label: raised(found) };
    }),
    boxes: hasBoxes
      ? groups.map((name, index): Box => {
          const { x, y, width, height } = graph.node(`g${index}`) as Point & { width: number; height: number };
          return { name, x: x - width / 2, y: y - height / 2, width, height };
        })
      : [],
    width: Math.max(whole.width ?? 0, 200),
    height: Math.max(whole.height ?? 0, 120),
  };
}

/** A plan with the figures of a view of its structure: sizes follow them, places do not. */
export function draw(of: Plan, shown: View): Picture {
  const nodes = shown.nodes.map((node, index): PlacedNode => {
    const { x, y } = of.nodes[index] ?? { x: 0, y: 0 };
    return { node, x, y, radius: radius(node.callsPerMinute) };
  });
  const byId = new Map(nodes.map((placed) => [placed.node.id, placed]));
  const edges = shown.edges.flatMap((edge, index): PlacedEdge[] => {
    const from = byId.get(edge.source);
    const to = byId.get(edge.target);
    if (from === undefined || to === undefined) return [];
    const width = thickness(edge.callsPerMinute);
    const way = of.edges[index] ?? null;
    if (way === null) return [{ edge, path: loop(from), x: from.x, y: from.y - from.radius * 2.2, width }];
    return [{ edge, path: path(from, to, way.inner, of.direction), ...way.label, width }];
  });
  const { boxes, width, height } = of;
  return { nodes, edges, boxes, width, height };
}
