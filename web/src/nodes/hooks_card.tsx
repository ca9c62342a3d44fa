/** Where rover looks into the kernel, by the mode of each hook. */
import type { Hook } from "../api/types";
import { Icon } from "../parts/icon";

const MISSING = "not attached";

/** Hooks by the mode they are attached in; those that are not attached come last, with the reason. */
function byMode(hooks: readonly Hook[]): [string, Hook[]][] {
  const groups = new Map<string, Hook[]>();
  for (const hook of hooks) {
    const mode = hook.attached ? hook.mode : MISSING;
    groups.set(mode, [...(groups.get(mode) ?? []), hook]);
  }
  return Array.from(groups).toSorted(([a], [b]) => Number(a === MISSING) - Number(b === MISSING) || a.localeCompare(b));
}

function HookRow({ of }: { of: Hook }) {
  return (
    <tr>
      <th scope="row" class="mono">
        <span class={of.attached ? "state-text-ok" : "state-text-warning"}>
          <Icon name={of.attached ? "check" : "cross"} label={of.attached ? "attached" : "not attached"} />
        </span>
        {of.hook}
      </th>
      <td>
        {of.feeds}
        {of.reason !== null && <span class="muted reason">{of.reason}</span>}
      </td>
    </tr>
  );
}

function summary(hooks: readonly Hook[]): string {
  if (hooks.length === 0) return "No daemon runs beside this backend, so there are no hooks here.";
  const attached = hooks.filter((hook) => hook.attached).length;
  return `${attached} of ${hooks.length} attached. A hook that is missing costs the figure it feeds, nothing else.`;
}

/** Null while they load. */
export function HooksCard({ hooks }: { hooks: readonly Hook[] | null }) {
  return (
    <section class="card" aria-labelledby="hooks-title">
      <h2 id="hooks-title">Hooks</h2>
      <p class="muted">{hooks === null ? <>&nbsp;</> : summary(hooks)}</p>
      {byMode(hooks ?? []).map(([mode, group]) => (
        <div key={mode}>
          <table class="small-table hooks">
            <caption>
              {mode} <span class="muted">{group.length}</span>
            </caption>
            <tbody>
              {group.map((hook) => (
                <HookRow key={hook.hook} of={hook} />
              ))}
            </tbody>
          </table>
        </div>
      ))}
    </section>
  );
}
