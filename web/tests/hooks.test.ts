import { expect, test } from "vitest";

import type { Hook } from "../src/api/types";
import { attachedByMode, missingByReason } from "../src/nodes/hooks";

function hook(name: string, mode: string | null, reason: string | null = null): Hook {
  return { hook: name, mode: mode ?? "none", attached: mode !== null, feeds: `what ${name} feeds`, reason };
}

const HOOKS = [
  hook("a", "tracepoint"),
  hook("b", null, "refused"),
  hook("c", "fentry"),
  hook("d", null, "no such function"),
  hook("e", null, "refused"),
  hook("f", "tracepoint"),
];

test("attached hooks are grouped by their mode", () => {
  const groups = attachedByMode(HOOKS).map(([mode, members]) => [mode, members.map((each) => each.hook)]);
  expect(groups).toEqual([
    ["fentry", ["c"]],
    ["tracepoint", ["a", "f"]],
  ]);
});

test("what many hooks are missing for is said once", () => {
  const groups = missingByReason(HOOKS).map(({ reason, hooks }) => [reason, hooks.map((each) => each.hook)]);
  expect(groups).toEqual([
    ["refused", ["b", "e"]],
    ["no such function", ["d"]],
  ]);
});

test("a hook whose reason nobody told is not left out", () => {
  expect(missingByReason([hook("a", null)])).toMatchObject([{ reason: "not told why" }]);
});
