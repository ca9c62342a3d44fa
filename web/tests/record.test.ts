import { expect, test } from "vitest";

import { curl, endName, ends, socketAddress, statusClass } from "../src/exchanges/record";
import { segments, ticks } from "../src/exchanges/timeline";
import { clock, exact } from "../src/format/time";
import { exchange } from "./exchange";

test("who asked and who answered does not depend on the side that was observed", () => {
  const seenAtServer = exchange(1);
  expect(endName(ends(seenAtServer).to)).toBe("cart");
  expect(socketAddress(ends(seenAtServer).from)).toBe("[::1]:40000");
  const seenAtClient = exchange(1, { side: "client", local: seenAtServer.remote, remote: seenAtServer.local });
  expect(ends(seenAtClient)).toEqual(ends(seenAtServer));
});

test("a request becomes a curl command that asks the same", () => {
  expect(curl(exchange(1))).toBe("curl --connect-to ::127.0.0.1:8080 --globoff --path-as-is http://cart.local/items");
  expect(curl(exchange(1, { method: "HEAD", protocol: "HTTP/1.0" }))).toContain("curl --head --http1.0 ");
});

test("what others sent cannot leave its quotes", () => {
  const command = curl(exchange(1, { method: "P'; rm -rf /;'", path: "/a'$(reboot)`x`\n", query: "b=1" }));
  expect(command).toContain(`-X 'P'\\''; rm -rf /;'\\'''`);
  expect(command).toContain(`'http://cart.local/a'\\''$(reboot)\`x\`\n?b=1'`);
});

test("what rover did not keep is said, and no masked header is sent", () => {
  const request = { bytes: 300, head_bytes: 100, body_bytes: 200, headers: { authorization: "*", accept: "text/html" } };
  const command = curl(exchange(1, { method: "POST", query: "page=*", request }));
  expect(command).toContain("-H 'accept: text/html'");
  expect(command).not.toContain("authorization");
  expect(command).toMatch(/# not kept: the body of 200 bytes, masked query values, masked headers$/);
});

test.each([
  [null, "none"],
  [101, "info"],
  [204, "success"],
  [304, "redirect"],
  [404, "client"],
  [503, "server"],
  [999, "none"],
])("status %s has the colour of %s", (status, style) => {
  expect(statusClass(status)).toBe(style);
});

test("a server's time between request and response is the application's", () => {
  const timeline: [string, number][] = [["read", 0], ["read_end", 100], ["write", 800], ["write_end", 1000]];
  expect(segments(exchange(1, { timeline }))).toEqual([
    { layer: "socket", what: "reading the request", startNs: 0, endNs: 100 },
    { layer: "application", what: "the application at work", startNs: 100, endNs: 800 },
    { layer: "socket", what: "writing the response", startNs: 800, endNs: 1000 },
  ]);
});

test("a client waits for the network and the other end", () => {
  const timeline: [string, number][] = [["write", 0], ["write_end", 50], ["read", 900], ["read_end", 1000]];
  expect(segments(exchange(1, { side: "client", timeline })).map((segment) => segment.layer)).toEqual(["socket", "network", "socket"]);
});

test("points at the same time make no segment", () => {
  expect(segments(exchange(1, { timeline: [["read", 0], ["read_end", 0], ["write", 10]] }))).toHaveLength(1);
});

test("without a timeline the first byte divides the exchange, and without a response nothing is invented", () => {
  expect(segments(exchange(1)).map(({ startNs, endNs }) => [startNs, endNs])).toEqual([[0, 800], [800, 1000]]);
  expect(segments(exchange(1, { duration_ns: null, first_byte_ns: null }))).toEqual([]);
});

test("an axis has round marks within its length", () => {
  expect(ticks(151e6)).toEqual([0, 50e6, 100e6, 150e6]);
  expect(ticks(0)).toEqual([0]);
  expect(ticks(7).length).toBeLessThan(9);
});

test("times keep every digit on hover, and name the day when it is not today", () => {
  const time = "2026-11-21T13:03:12.482113907Z";
  expect(exact(time)).toBe("2026-11-21 13:03:12.482113907 UTC");
  expect(clock(time, new Date("2026-11-21T13:04:00Z"))).toMatch(/^\d\d:03:12\.482$/);
  expect(clock(time, new Date("2026-11-25T13:04:00Z"))).toMatch(/^2026-11-2\d \d\d:03:12$/);
});
