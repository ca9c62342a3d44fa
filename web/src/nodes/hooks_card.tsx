/** Where rover looks into the kernel, and what it does not see there: the same words as `rover doctor`. */
import type { Hook } from "../api/types";
import { Icon } from "../parts/icon";
import { attachedByMode, missingByReason } from "./hooks";

function Rows({ of }: { of: readonly Hook[] }) {
  return (
    <tbody>
      {of.map((hook) => (
        <tr key={hook.hook}>
          <th scope="row" class="mono">
            <span class={hook.attached ? "state-text-ok" : "state-text-warning"}>
              <Icon name={hook.attached ? "check" : "cross"} label={hook.attached ? "attached" : "not attached"} />
            </span>
            {hook.hook}
          </th>
          <td>{hook.feeds}</td>
        </tr>
      ))}
    </tbody>
  );
}

/** Closed: that many hooks are missing for one reason is one fact. */
function MissingTable({ reason, hooks }: { reason: string; hooks: readonly Hook[] }) {
  return (
    <details class="missing-hooks">
      <summary>
        not attached <span class="muted">{hooks.length}</span>
        <span class="reason">{reason}; without it what it feeds is unknown in records, nothing else</span>
      </summary>
      <table class="small-table hooks">
        <Rows of={hooks} />
      </table>
    </details>
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
      {attachedByMode(hooks ?? []).map(([mode, group]) => (
        <div key={mode}>
          <table class="small-table hooks">
            <caption>
              {mode} <span class="muted">{group.length}</span>
            </caption>
            <Rows of={group} />
          </table>
        </div>
      ))}
      {missingByReason(hooks ?? []).map((group) => (
        <MissingTable key={group.reason} {...group} />
      ))}
    </section>
  );
}
