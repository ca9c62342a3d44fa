import { expect, test } from "vitest";

import { fromAddress, parse, slowerThan, text, toAddress } from "../src/exchanges/filter";

test("named words become filters, in any order", () => {
  const { filters, misread } = parse("path:/api/* status:5XX service:cart peer:10.0.0.7 slower:200ms method:GET side:server");
  expect(misread).toEqual([]);
  expect(filters).toEqual({ service: "cart", method: "GET", path: "/api/*", status: "5xx", slower: "200ms", side: "server", peer: "10.0.0.7" });
  expect(text(filters)).toBe("service:cart method:GET path:/api/* status:5xx slower:200ms side:server peer:10.0.0.7");
});

test.each([
  ["503", { status: "503" }],
  ["5xx,404", { status: "5xx,404" }],
  [">1.5s", { slower: "1.5s" }],
  ["300us", { slower: "300us" }],
  ["DELETE", { method: "DELETE" }],
  ["/api", { path: "/api*" }],
  ["*.css", { path: "*.css" }],
  ["basket", { path: "*basket*" }],
])("the bare word %s is understood by its looks", (word, filters) => {
  expect(parse(word)).toEqual({ filters, misread: [] });
});

test.each([
  ["foo:bar", "“foo” is no filter"],
  ["status:6", "status: takes codes"],
  ["slower:fast", "slower: takes a duration"],
  ["side:left", "side: takes server or client"],
  ["service:", "service: needs a value"],
])("%s is not guessed at but told", (word, reason) => {
  const { filters, misread } = parse(`status:404 ${word}`);
  expect(filters).toEqual({ status: "404" });
  expect(misread).toHaveLength(1);
  expect(misread[0]?.word).toBe(word);
  expect(misread[0]?.reason).toContain(reason);
});

test("values with spaces are quoted, and survive the way through the text", () => {
  const { filters } = parse('service:"the cart" path:/a');
  expect(filters).toEqual({ service: "the cart", path: "/a" });
  expect(parse(text(filters)).filters).toEqual(filters);
});

test("a colon within a value belongs to the value", () => {
  expect(parse("service:cart:8080").filters).toEqual({ service: "cart:8080" });
});

test("filters survive the way through the address, and others are removed from it", () => {
  const filters = { service: "a&b=c", path: "/ü?*" };
  const set = Object.entries(toAddress(filters)).filter((entry): entry is [string, string] => entry[1] !== null);
  expect(fromAddress(new URLSearchParams(set))).toEqual(filters);
  expect(toAddress(filters).status).toBeNull();
});

test.each([
  [1_239_747, "1.23ms"],
  [41_299_999, "41.2ms"],
  [412_999_999, "412ms"],
  [1_049_000_000, "1.04s"],
  [96_400, "96.4us"],
])("a figure of %d ns leads to the exchanges that are at least as slow", (ns, slower) => {
  expect(slowerThan(ns)).toBe(slower);
});
