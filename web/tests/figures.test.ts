import { expect, test } from "vitest";

import type { Service } from "../src/api/types";
import { failing, health, nextSort, parseSort, sorted, sortText, trend } from "../src/services/figures";

function service(name: string, figures: Partial<Service> = {}): Service {
  return { name, calls: 60, calls_per_minute: 60, success_rate: 1, p50_ns: 1, p95_ns: 2, p99_ns: 3, bytes_per_second: 1, retransmit_rate: null, spark: [], ...figures };
}

const order = (rows: Service[], sort: string | null): string[] => sorted(rows, parseSort(sort), (row) => row.name).map((row) => row.name);

test("what hurts comes first: many failing calls before a high share of few", () => {
  const rows = [
    service("quiet", { calls_per_minute: 1, success_rate: 0.5 }),
    service("busy", { calls_per_minute: 1000, success_rate: 0.99 }),
    service("well"),
    service("slow", { p95_ns: 900 }),
  ];
  expect(failing(rows[1] ?? service(""))).toBeCloseTo(10);
  expect(order(rows, null)).toEqual(["busy", "quiet", "slow", "well"]);
});

test("unknown figures come last, whichever way the column is sorted", () => {
  const rows = [service("a", { p95_ns: null }), service("b", { p95_ns: 5 }), service("c", { p95_ns: 9 })];
  expect(order(rows, "p95")).toEqual(["b", "c", "a"]);
  expect(order(rows, "-p95")).toEqual(["c", "b", "a"]);
});

test("equal rows keep their place by name", () => {
  expect(order([service("b"), service("a"), service("c")], "-calls")).toEqual(["a", "b", "c"]);
});

test("a column's clicks go first order, other way round, back to what hurts", () => {
  const first = nextSort(parseSort(null), "p95");
  expect(sortText(first)).toBe("-p95");
  const second = nextSort(first, "p95");
  expect(sortText(second)).toBe("p95");
  expect(sortText(nextSort(second, "p95"))).toBeNull();
  expect(sortText(nextSort(first, "success"))).toBe("success");
});

test("a sort that does not exist is what hurts", () => {
  expect(parseSort("-size")).toEqual({ key: "hurt", isAscending: false });
});

test.each([
  [1, "ok"],
  [0.9995, "ok"],
  [0.995, "warning"],
  [0.98, "error"],
  [null, "unknown"],
])("a success rate of %s is %s", (success_rate, state) => {
  expect(health(service("a", { success_rate }))).toBe(state);
});

test("a bar that is still filling does not look like a breakdown", () => {
  const span = { from_ns: 0, to_ns: 240e9, watched_s: 240, bar_s: 60 };
  expect(trend([60, 60, 60, 30], span, 210e9)).toEqual([60, 60, 60, 60]);
  expect(trend([60, 60, 60, 2], span, 182e9)).toEqual([60, 60, 60]);
  expect(trend([60, 60, 60, 30], span, 260e9)).toEqual([60, 60, 60, 30]);
  expect(trend([0, 0, 0, 1], span, 181e9)).toEqual([0, 0, 0, 1]);
});
