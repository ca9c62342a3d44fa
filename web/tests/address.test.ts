import { expect, test } from "vitest";

import { changed, exchangeHref, href, parse, serviceHref } from "../src/address";
import { bounds, parseRange, rangePhrase, rangeText, seconds } from "../src/range";

test.each([
  ["/", { page: "services" }],
  ["/services/", { page: "services" }],
  ["/services/cart", { page: "service", name: "cart" }],
  ["/services/a%2Fb%20c", { page: "service", name: "a/b c" }],
  ["/services/%E0%A4%A", { page: "service", name: "%E0%A4%A" }],
  ["/exchanges", { page: "exchanges" }],
  ["/exchanges/18ea", { page: "exchange", id: "18ea" }],
  ["/nodes", { page: "nodes" }],
  ["/nothing", { page: "unknown", path: "/nothing" }],
])("%s names its page", (path, route) => {
  expect(parse(path)).toEqual(route);
});

test("the range travels with a link, filters do not", () => {
  expect(href("/nodes")).toBe("/nodes?range=1h");
  expect(serviceHref("a/b c")).toBe("/services/a%2Fb%20c?range=1h");
  expect(exchangeHref("18ea")).toBe("/exchanges/18ea?range=1h");
});

test("filters stay readable in the address", () => {
  expect(href("/exchanges", { path: "/api/*", slower: "200ms" })).toBe("/exchanges?range=1h&path=/api/*&slower=200ms");
  expect(href("/exchanges", { path: "/a?b&c=d#e" })).toBe("/exchanges?range=1h&path=/a%3Fb%26c%3Dd%23e");
});

test("a change keeps the rest of the address, null takes away", () => {
  expect(changed({ status: "5xx" })).toBe("/exchanges?range=1h&service=cart&status=5xx");
  expect(changed({ service: null, range: null })).toBe("/exchanges");
});

test("a range that cannot be read is the last 15 minutes", () => {
  for (const text of ["", "range=x", "range=0m", "from=a&to=b", "from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z"]) {
    expect(parseRange(new URLSearchParams(text))).toEqual({ kind: "last", seconds: 900 });
  }
  expect(seconds("2d")).toBe(172_800);
});

test("ranges are told in words", () => {
  expect(rangeText({ kind: "last", seconds: 3600 })).toBe("Last hour");
  expect(rangePhrase({ kind: "last", seconds: 900 })).toBe("in the last 15 minutes");
  const between = parseRange(new URLSearchParams("from=2026-11-21T13:00:00Z&to=2026-11-21T14:30:00Z"));
  expect(rangePhrase(between)).toMatch(/^between 2026-11-2\d \d\d:\d\d and \d\d:\d\d$/);
});

test("a range up to now leaves its end to the server's clock", () => {
  expect(bounds({ kind: "last", seconds: 60 }, 1_700_000_000_500)).toEqual({ from: "1699999940500000000" });
  const fixed = bounds({ kind: "between", from: new Date(1000), to: new Date(2000) }, 0);
  expect(fixed).toEqual({ from: "1000000000", to: "2000000000" });
});
