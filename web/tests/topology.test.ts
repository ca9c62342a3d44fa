import { expect, test } from "vitest";

import type { Topology, TopologyEdge, TopologyNode, Traffic } from "../src/api/types";
import { axis, rangeOf, starts } from "../src/charts/bars";
import { darkness } from "../src/charts/heat";
import { type Direction, draw, type Picture, plan, short, structure } from "../src/topology/layout";
import { edgeLabel } from "../src/topology/marks";
import { READABLE, type View, view } from "../src/topology/view";

const SPAN = { from_ns: 60e9, to_ns: 240e9, watched_s: 180, bar_s: 60 };

function traffic(figures: Partial<Traffic> = {}): Traffic {
  const zero = { connects: 0, sent_bytes: 0, received_bytes: 0, sent_packets: 0, retransmits: 0, drops: 0 };
  return { calls: 10, calls_per_minute: 10, success_rate: 1, mean_ns: 1e6, p50_ns: 1e6, p95_ns: 2e6, p99_ns: 3e6, ...zero, ...figures };
}

function node(id: string, group: string | null = null): TopologyNode {
  return { id, name: id, kind: "service", group, seen: traffic() };
}

function edge(source: string, target: string, figures: Partial<TopologyEdge> = {}): TopologyEdge {
  return { source, target, is_http: true, is_tls: false, client: traffic(), server: traffic(), network_ns: 0, ...figures };
}

function map(nodes: TopologyNode[], edges: TopologyEdge[]): Topology {
  return { nodes, edges, span: SPAN };
}

/** So many services in two groups, each calling the next. */
function crowd(count: number): Topology {
  const nodes = Array.from({ length: count }, (_, at) => node(`s${at}.${at % 2 === 0 ? "even" : "odd"}`, at % 2 === 0 ? "even" : "odd"));
  return map(nodes, nodes.slice(1).map((one, at) => edge(nodes[at]?.id ?? "", one.id)));
}

function place(shown: View, direction: Direction): Picture {
  return draw(plan(shown, direction), shown);
}

const NOTHING = { focus: null, open: [] };

test("few services are shown one by one, many in closed groups", () => {
  expect(view(crowd(READABLE), NOTHING).nodes).toHaveLength(READABLE);
  const shown = view(crowd(READABLE + 2), NOTHING);
  expect(shown.nodes.map(({ name, members }) => [name, members])).toEqual([
    ["even", 31],
    ["odd", 31],
  ]);
  expect(shown.edges.map((one) => one.of.length)).toEqual([31, 30]);
  expect(shown.groups).toEqual(["even", "odd"]);
});

test("a group that was opened shows its services, the others stay closed", () => {
  const shown = view(crowd(200), { focus: null, open: ["odd"] });
  expect(shown.nodes.filter(({ kind }) => kind === "group").map(({ name }) => name)).toEqual(["even"]);
  expect(shown.nodes).toHaveLength(101);
});

test("one service is shown with its neighbours, whatever there is besides", () => {
  const shown = view(crowd(200), { focus: "s7.odd", open: [] });
  expect(shown.nodes.map(({ name }) => name)).toEqual(["s6.even", "s7.odd", "s8.even"]);
  expect(view(crowd(4), { focus: "gone", open: [] }).nodes).toHaveLength(4);
});

test("a closed group has the successes of all its services, and the slowest's p95", () => {
  const wide = crowd(READABLE + 2);
  const first = wide.nodes[0];
  if (first !== undefined) first.seen = traffic({ calls: 290, success_rate: 0.5, p95_ns: 9e9 });
  const [even] = view(wide, NOTHING).nodes;
  expect(even?.successRate).toBeCloseTo((290 * 0.5 + 300) / 590);
  expect(even?.p95Ns).toBe(9e9);
});

test("the same structure has the same picture, whatever its figures", () => {
  const before = view(map([node("a"), node("b")], [edge("a", "b")]), NOTHING);
  const after = view(map([node("a"), node("b")], [edge("a", "b", { client: traffic({ p95_ns: 7e9 }) })]), NOTHING);
  expect(structure(after, "LR")).toBe(structure(before, "LR"));
  expect(place(after, "LR").nodes.map(({ x, y }) => [x, y])).toEqual(place(before, "LR").nodes.map(({ x, y }) => [x, y]));
});

test("callers stand left of whom they call, and above on narrow screens", () => {
  const shown = view(map([node("b"), node("a"), node("c")], [edge("a", "b"), edge("b", "c"), edge("c", "c")]), NOTHING);
  const order = (direction: "LR" | "TB"): string[] =>
    place(shown, direction)
      .nodes.toSorted((one, other) => (direction === "LR" ? one.x - other.x : one.y - other.y))
      .map((placed) => placed.node.id);
  expect(order("LR")).toEqual(["a", "b", "c"]);
  expect(order("TB")).toEqual(["a", "b", "c"]);
});

test("names of any kind are nodes of their own: markup, groups, the empty text of others", () => {
  const names = ["<b>", "group:even", "n0", "ga", "a.a", "b.b"];
  const shown = view(map(names.map((name) => node(name, name.includes(".") ? name.slice(2) : null)), [edge("<b>", "group:even")]), NOTHING);
  const picture = place(shown, "LR");
  expect(picture.nodes).toHaveLength(names.length);
  expect(picture.boxes.map(({ name }) => name)).toEqual(["a", "b"]);
  expect(short("x".repeat(300))).toHaveLength(20);
});

test("an edge says its p95, and what it moves where there is no HTTP", () => {
  const [http, tcp] = view(map([node("a"), node("b"), node("c")], [edge("a", "b"), edge("a", "c", { is_http: false, client: traffic({ calls: 0, sent_bytes: 1800 }), server: null })]), NOTHING).edges;
  expect(http && edgeLabel(http, 60)).toBe("2.00\u202fms");
  expect(tcp && edgeLabel(tcp, 60)).toBe("30.0\u202fB/s");
});

test("bars begin at multiples of their width; a drag over some is their time", () => {
  const span = { ...SPAN, from_ns: 100e9, bar_s: 60 };
  expect(starts(span, 3)).toEqual([60_000, 120_000, 180_000]);
  expect(rangeOf(span, 3, 2, 1)).toEqual({ from: "1970-01-01T00:02:00.000Z", to: "1970-01-01T00:04:00.000Z", range: null });
});

test("an axis of counts has no halves, one of bytes has whole units", () => {
  expect(axis(1, "count")).toEqual([0, 1]);
  expect(axis(3 * 1024, "bytes")).toEqual([0, 1024, 2048, 3072]);
});

test("one call among thousands is seen on the heat map", () => {
  expect([0, 1, 10, 5000].map((calls) => darkness(calls, 5000))).toEqual([0, 1, 2, 5]);
});
