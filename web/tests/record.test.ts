import { expect, test } from "vitest";

import { curl, endName, ends, socketAddress, statusClass } from "../src/exchanges/record";
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

test("times keep every digit on hover, and name the day when it is not today", () => {
  const time = "2026-11-21T13:03:12.482113907Z";
  expect(exact(time)).toBe("2026-11-21 13:03:12.482113907 UTC");
  expect(clock(time, new Date("2026-11-21T13:04:00Z"))).toMatch(/^\d\d:03:12\.482$/);
  expect(clock(time, new Date("2026-11-25T13:04:00Z"))).toMatch(/^2026-11-2\d \d\d:03:12$/);
});
