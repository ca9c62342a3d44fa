import { expect, test } from "vitest";

import cases from "../../tests/waterfall/cases.json";
import { bothEnds, type End } from "../src/exchanges/both_ends";
import { bars, plan, ticks } from "../src/exchanges/lanes";
import { drops, figureRows, isBelowSocketKnown } from "../src/exchanges/layer_figures";
import { LAYER_NAME, type Segment, segments, type Timed } from "../src/exchanges/timeline";
import type { Exchange, Kernel } from "../src/api/types";
import { exchange } from "./exchange";

/** What a type checker cannot know of a file of cases. */
function as<T>(value: unknown): T {
  return value as T;
}

function pair(name: string): { client: Exchange; server: Exchange } {
  const found = cases.pairs.find((one) => one.name === name);
  return { client: exchange(1, as(found?.client)), server: exchange(2, as(found?.server)) };
}

function kernel(name: string): Kernel {
  return as(cases.figures.find((one) => one.name === name)?.kernel);
}

test.each(cases.segments)("what lies between two points has a layer and a name: $name", (one) => {
  const found = segments(as<Timed>(one)).map(({ layer, what, startNs, endNs }) => [layer, what, startNs, endNs]);
  expect(found).toEqual(one.segments);
});

test.each(cases.figures)("figures are by layer, and what was not measured is null: $name", (one) => {
  const found = figureRows(as(one.kernel)).map(({ layer, what, kind, sent, received }) => [layer, what, kind, sent, received]);
  expect(found).toEqual(one.rows);
  expect(drops(as(one.kernel))).toEqual(one.drops);
});

test.each(cases.pairs)("two records lie on one axis: $name", (one) => {
  const both = bothEnds(as<End>(one.client), as<End>(one.server));
  expect(both.network.map(({ what, startNs, endNs }) => [what, startNs, endNs])).toEqual(one.network);
  const starts = segments(as<Timed>(one.server)).map((part) => part.startNs + one.server_from);
  expect(both.server.map((part) => part.startNs)).toEqual(starts);
  expect([both.clocks.isOne, both.clocks.offsetNs, both.clocks.withinNs]).toEqual(one.clocks);
  expect(both.client.map((part) => part.layer)).not.toContain("network");
});

test("layers stand in their order", () => {
  const order = Object.keys(LAYER_NAME);
  const rows = figureRows(kernel("every figure")).map((row) => order.indexOf(row.layer));
  expect(rows).toEqual(rows.toSorted((one, other) => one - other));
  expect(Object.values(LAYER_NAME).join(" · ")).toBe(
    "application · TLS · socket · TCP (L4) · IP (L3) · netfilter · queue (L2) · device · network · wait",
  );
});

test("why a figure is unknown depends on what it takes", () => {
  const rows = figureRows({ ...kernel("tracepoints alone"), read: { operations: 1 } });
  const why = (what: string, layer: string): readonly string[] => rows.find((row) => row.what === what && row.layer === layer)?.why ?? [];
  expect(why("by itself", "netfilter")[0]).toMatch(/^no fentry on this kernel/);
  expect(why("packets", "tcp")[1]).toMatch(/^its hook is not attached/);
  expect(figureRows({ write: {} })[0]?.why[1]).toMatch(/^no socket operation of this direction/);
  expect(figureRows(kernel("one direction, and a difference below nothing")).find((row) => row.layer === "ip" && row.what === "by itself")?.why[0]).toMatch(
    /^the layers inside took longer/,
  );
});

test("a record of which only socket operations are known says so", () => {
  expect(isBelowSocketKnown(figureRows({ write: { operations: 1, bytes: 2, syscall_ns: 3 } }))).toBe(false);
  expect(isBelowSocketKnown(figureRows({ write: { operations: 1, retransmits: 0 } }))).toBe(true);
});

test("bars are to scale, and the short are painted over the long", () => {
  const parts: Segment[] = [
    { layer: "socket", what: "a", startNs: 100, endNs: 110 },
    { layer: "application", what: "b", startNs: 110, endNs: 900 },
    { layer: "queue", what: "c", startNs: 900, endNs: 901 },
  ];
  const drawn = bars(parts, { startNs: 100, endNs: 1100 });
  expect(drawn.map(({ part, x, width }) => [part.what, x, width])).toEqual([
    ["b", 1, 79],
    ["a", 0, 1],
    ["c", 80, 0.1],
  ]);
  expect(drawn.map((bar) => bar.label)).toEqual(["application", null, null]);
});

test.each(["client", "server"] as const)("the client stands above its server, whichever was opened: %s", (side) => {
  const ends = pair("one node");
  const { lanes, axis, clocks } = plan(ends[side], ends[side === "client" ? "server" : "client"]);
  expect(lanes.map((lane) => lane.name)).toEqual(["client", "network", "server"]);
  expect(lanes.map((lane) => lane.record)).toEqual([ends.client, null, ends.server]);
  expect(axis).toEqual({ startNs: 0, endNs: 1_000_000 });
  expect(clocks?.isOne).toBe(true);
});

test("one record has one lane, as long as the exchange", () => {
  const { lanes, axis, clocks } = plan(exchange(1, { timeline: [["read", 0], ["write", 300]], duration_ns: 1000 }), null);
  expect(lanes.map((lane) => [lane.name, lane.parts.length])).toEqual([["server", 1]]);
  expect([axis, clocks]).toEqual([{ startNs: 0, endNs: 1000 }, null]);
});

test("a server whose clock is behind begins before the axis' zero", () => {
  const { client, server } = pair("two nodes, nothing to compare");
  const timeline: [string, number][] = [["read", 0], ["write", 100]];
  const early = { ...server, id: `${(BigInt(`0x${client.id.slice(0, 16)}`) - 500n).toString(16)}${server.id.slice(16)}`, timeline };
  const { axis } = plan({ ...client, duration_ns: null }, early);
  expect(axis).toEqual({ startNs: -500, endNs: 0 });
});

test("an axis has round marks within its length, also from below zero", () => {
  expect(ticks(151e6)).toEqual([0, 50e6, 100e6, 150e6]);
  expect(ticks(0)).toEqual([0]);
  expect(ticks(7).length).toBeLessThan(9);
  expect(ticks(1000, -450)).toEqual([-400, -200, 0, 200, 400]);
});
