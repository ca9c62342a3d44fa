import { expect, test } from "vitest";

import type { BlindWindow } from "../src/api/types";
import { blind } from "../src/nodes/tls";

function window(pid: number, blind_ns: number, is_older = false): BlindWindow {
  return { pid, comm: "curl", path: "/lib/libssl.so.3", blind_ns, is_older };
}

test("the longest blind window comes first", () => {
  const told = blind([window(1, 5), window(2, 9)]);
  expect(told.younger.map(({ pid }) => pid)).toEqual([2, 1]);
});

test("a process that ran before rover counts once, however many libraries it has", () => {
  const told = blind([window(1, 5, true), window(1, 6, true), window(2, 7, true)]);
  expect(told).toEqual({ younger: [], older: 2 });
});
