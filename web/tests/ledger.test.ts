import { expect, test } from "vitest";

import type { Node } from "../src/api/types";
import { balance, lostShare } from "../src/nodes/ledger";

function node(ledger: Node["ledger"], store: Partial<Node["store"]> = {}): Node {
  return {
    ledger,
    hooks: [],
    tls: null,
    cost: { cpu_percent: null, rss_bytes: null, bpf_ns_per_exchange: null },
    uptime_s: 1,
    version: "1",
    watched_processes: null,
    store: { stored: 0, queued: 0, lost: {}, used_bytes: 0, overflowed: 0, kept: {}, left_out: {}, retention_bytes: 1, retention_hours: 24, ...store },
  };
}

test("what was left out as told is no loss", () => {
  const sums = balance({ captured: 100, reported: 90, in_flight: 1, not_http: 5, excluded: 4, ring_full: 0, records: 45 });
  expect(sums).toMatchObject({ captured: 100, reported: 90, inFlight: 1, leftOut: 9, lost: 0 });
});

test("losses come first, and a cause that this page does not know counts as one", () => {
  const sums = balance({ captured: 100, reported: 80, not_http: 9, ring_full: 1, meteor: 10 });
  expect(sums?.lost).toBe(11);
  expect(sums?.causes.map((cause) => cause.name)).toEqual(["meteor", "ring_full", "not_http"]);
});

test("without a daemon there is no ledger, which is not the same as nothing lost", () => {
  expect(balance({})).toBeNull();
});

test("what the store did not keep is lost too", () => {
  expect(lostShare(node({ captured: 100, reported: 100 }))).toBe(0);
  expect(lostShare(node({ captured: 100, reported: 75, ring_full: 25 }))).toBe(0.25);
  expect(lostShare(node({ captured: 100, reported: 100 }, { stored: 90, lost: { disk_full: 10 } }))).toBe(0.1);
});
