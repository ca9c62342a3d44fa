/** What rover sees of TLS: the libraries that it probes, and the processes that were faster than it. */
import type { BlindWindow, Node, TlsState } from "../api/types";
import { count, duration, text } from "../format/numbers";
import { Icon } from "../parts/icon";
import { blind } from "./tls";

function Libraries({ of }: { of: TlsState["libraries"] }) {
  return (
    <table class="small-table hooks">
      <tbody>
        {of.map((library) => (
          <tr key={library.path}>
            <th scope="row" class="mono">
              <span class={library.attached ? "state-text-ok" : "state-text-warning"}>
                <Icon name={library.attached ? "check" : "cross"} label={library.attached ? "probed" : "not probed"} />
              </span>
              {library.path}
            </th>
            <td>
              {library.kind} {library.version ?? "of unknown version"}, {library.linkage}
              {library.reason !== null && `: ${library.reason}`}
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function Windows({ of }: { of: readonly BlindWindow[] }) {
  return (
    <table class="small-table hooks">
      <thead>
        <tr>
          <th scope="col">process</th>
          <th scope="col">blind for</th>
          <th scope="col">library</th>
        </tr>
      </thead>
      <tbody>
        {of.map((window) => (
          <tr key={`${window.pid} ${window.path}`}>
            <th scope="row" class="mono">
              {window.comm || "?"} {window.pid}
            </th>
            <td class="number">{text(duration(window.blind_ns))}</td>
            <td class="mono">{window.path}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function processes(many: number): string {
  return `${count(many)} ${many === 1 ? "process" : "processes"}`;
}

function summary(tls: TlsState): string {
  if (!tls.enabled) return `TLS is not looked into: ${tls.reason ?? "not told why"}.`;
  const probed = tls.libraries.filter((library) => library.attached).length;
  return `${probed} of ${tls.libraries.length} libraries probed; ${processes(tls.covered)} covered from the first call.`;
}

/** Null while it loads; a node without a daemon has nothing to tell. */
export function TlsCard({ node }: { node: Node | null }) {
  const tls = node?.tls ?? null;
  if (node !== null && tls === null) return null;
  const { younger, older } = blind(tls?.blind_windows ?? []);
  return (
    <section class="card" aria-labelledby="tls-title">
      <h2 id="tls-title">TLS</h2>
      <p class="muted">{tls === null ? <>&nbsp;</> : summary(tls)}</p>
      {older > 0 && <p class="muted">{processes(older)} ran before rover.</p>}
      {tls !== null && tls.libraries.length > 0 && (
        <details class="missing-hooks">
          <summary>
            libraries <span class="muted">{tls.libraries.length}</span>
          </summary>
          <Libraries of={tls.libraries} />
        </details>
      )}
      {younger.length > 0 && (
        <details class="missing-hooks">
          <summary>
            blind windows <span class="muted">{younger.length}</span>
            <span class="reason">a library never seen before: what its first process said until it was probed is not in records</span>
          </summary>
          <Windows of={younger} />
        </details>
      )}
    </section>
  );
}
