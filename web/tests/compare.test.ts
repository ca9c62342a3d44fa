import { expect, test } from "vitest";

import type { Service } from "../src/api/types";
import { changes, difference, named, pair, verdict } from "../src/compare/changes";
import { endpointFilters } from "../src/services/endpoint_page";

function service(name: string, figures: Partial<Service> = {}): Service {
  return { name, calls: 60, calls_per_minute: 60, success_rate: 1, p50_ns: 1e6, p95_ns: 2e6, p99_ns: 3e6, bytes_per_second: 1, retransmit_rate: null, spark: [], ...figures };
}

test("failures come before slowness, slowness before a changed rate, and what is new or gone is told", () => {
  const before = [service("fails"), service("slow"), service("busy"), service("gone"), service("alike")];
  const now = [service("alike"), service("busy", { calls_per_minute: 70 }), service("slow", { p95_ns: 16e6 }), service("fails", { success_rate: 0.9 }), service("new")];
  const found = changes(before, now);
  expect(found.map(({ name }) => name)).toEqual(["fails", "slow", "gone", "new", "busy", "alike"]);
  expect(found.filter(({ before: left }) => left === null).map(({ name }) => name)).toEqual(["new"]);
});

test("endpoints are compared by the names of their pages", () => {
  const endpoint = { ...service(""), method: "GET", path: "/a", endpoint: "GET:/a", is_other: false };
  const list = { endpoints: [endpoint], span: { from_ns: 0, to_ns: 1, watched_s: 1, bar_s: 60 } };
  const slower = { ...list, endpoints: [{ ...endpoint, p95_ns: 8e6 }] };
  expect(changes(named(list), named(slower)).map(({ name, worse }) => [name, worse])).toEqual([["GET:/a", 2]]);
});

function at(value: { from: Date; to: Date }): number[] {
  return [value.from.getTime() / 1000, value.to.getTime() / 1000];
}

test("the time before is as long as the range and ends where it begins, or lies so far back", () => {
  const direct = pair({ kind: "last", seconds: 900 }, null, 10_000_000);
  expect([at(direct.before), at(direct.now)]).toEqual([
    [8200, 9100],
    [9100, 10_000],
  ]);
  expect(at(pair({ kind: "last", seconds: 900 }, 3600, 10_000_000).before)).toEqual([5500, 6400]);
});

test("a difference is percent, and a factor once it is twice as much", () => {
  expect([difference(100, 112), difference(100, 240), difference(100, 96.9), difference(5, 5), difference(null, 5)]).toEqual(["+12\u202f%", "× 2.4", "−3.1\u202f%", "same", ""]);
});

test("a colour needs a twentieth of change, and knows which way is worse", () => {
  expect([verdict(100, 103, true), verdict(100, 110, true), verdict(100, 110, false), verdict(null, 1, true)]).toEqual([null, "worse", "better", null]);
});

test("an endpoint is found among exchanges by its method and a pattern", () => {
  expect(endpointFilters("cart", "GET:/users/{id}/a:b/**")).toEqual({ service: "cart", side: "server", method: "GET", path: "/users/*/a:b/*" });
});
