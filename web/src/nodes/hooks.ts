/** Hooks as they are shown: by mode, and those that are missing by the reason, which on one kernel many share. */
import type { Hook } from "../api/types";

export interface Missing {
  reason: string;
  hooks: readonly Hook[];
}

/** Attached ones by mode, in the order of the modes' names. */
export function attachedByMode(hooks: readonly Hook[]): [string, readonly Hook[]][] {
  const attached = hooks.filter((hook) => hook.attached);
  return Array.from(grouped(attached, (hook) => hook.mode)).toSorted(([a], [b]) => a.localeCompare(b));
}

/** Those that are not attached, by reason, in the order of the first hook of each. */
export function missingByReason(hooks: readonly Hook[]): Missing[] {
  const missing = hooks.filter((hook) => !hook.attached);
  const groups = grouped(missing, (hook) => hook.reason ?? "not told why");
  return Array.from(groups, ([reason, members]) => ({ reason, hooks: members }));
}

function grouped(hooks: readonly Hook[], key: (hook: Hook) => string): Map<string, Hook[]> {
  const groups = new Map<string, Hook[]>();
  for (const hook of hooks) {
    const name = key(hook);
    groups.set(name, [...(groups.get(name) ?? []), hook]);
  }
  return groups;
}
