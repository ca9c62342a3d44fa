/** The node: is it complete, what does it see through, and what does rover cost. */
import { node as fetchNode } from "../api/client";
import { usePolled } from "../api/polled";
import type { Hook, Ledger, Node } from "../api/types";
import { bytes, count, duration, share, text } from "../format/numbers";
import { Figure, measured } from "../parts/figure";
import { Icon } from "../parts/icon";
import { Failure, Freshness } from "../parts/states";
import { Tile } from "../parts/tile";
import { type Cause, causeName, causes, lost } from "./ledger";

function Cost({ of }: { of: Node | null }) {
  const why = of === null ? "loading" : "not measured on this node";
  const cost = of?.cost;
  return (
    <div class="tiles" aria-busy={of === null}>
      <Tile label="CPU of rover" sub="of one core">
        <Figure of={measured(cost?.cpu_percent, (percent) => ({ value: percent < 10 ? percent.toFixed(2) : percent.toFixed(1), unit: "%" }))} why={why} />
      </Tile>
      <Tile label="Memory" sub="resident">
        <Figure of={measured(cost?.rss_bytes, bytes)} why={why} />
      </Tile>
      <Tile label="BPF per exchange" sub="paid by the watched processes">
        <Figure of={measured(cost?.bpf_ns_per_exchange, duration)} why={of === null ? why : "needs kernel.bpf_stats_enabled, which is off"} />
      </Tile>
      <Tile label="Watched processes" sub={of === null ? <>&nbsp;</> : `up for ${text(duration(of.uptime_s * 1e9))}`}>
        <Figure of={measured(of?.watched_processes, (many) => ({ value: count(many), unit: "" }))} why={why} />
      </Tile>
    </div>
  );
}

function CauseRow({ cause, captured }: { cause: Cause; captured: number }) {
  const isBad = cause.isLoss && cause.count > 0;
  return (
    <tr class={isBad ? "is-loss" : undefined}>
      <th scope="row">
        {isBad && <Icon name="warning" label="lost" />}
        {causeName(cause.name)}
      </th>
      <td class="number">{count(cause.count)}</td>
      <td class="number">
        <Figure of={captured > 0 ? share(cause.count / captured) : null} why="nothing captured yet" />
      </td>
      <td class="meaning">{cause.meaning}</td>
    </tr>
  );
}

/** Reported, on the way, left out by decision, lost: as one bar. */
function Balance({ ledger, all }: { ledger: Ledger; all: readonly Cause[] }) {
  const captured = ledger["captured"] ?? 0;
  const sum = (isLoss: boolean): number => all.filter((cause) => cause.isLoss === isLoss).reduce((total, cause) => total + cause.count, 0);
  const parts = [
    ["ok", "reported", ledger["reported"] ?? 0],
    ["flight", "on the way", ledger["in_flight"] ?? 0],
    ["decided", "left out as told", sum(false)],
    ["lost", "lost", sum(true)],
  ] as const;
  let x = 0;
  return (
    <>
      <svg class="balance" viewBox="0 0 1000 12" preserveAspectRatio="none" aria-hidden="true">
        {captured > 0 &&
          parts.map(([style, , value]) => {
            const width = value > 0 ? Math.max(3, (value / captured) * 1000) : 0;
            const at = Math.min(x, 1000 - width);
            x += width;
            return <rect key={style} class={`balance-${style}`} x={at} width={width} height="12" />;
          })}
      </svg>
      <ul class="legend">
        {parts.map(([style, name, value]) => (
          <li key={style}>
            <svg class="swatch" viewBox="0 0 10 10" width="10" height="10" aria-hidden="true">
              <rect class={`balance-${style}`} width="10" height="10" rx="2" />
            </svg>
            <strong>{count(value)}</strong> {name}
          </li>
        ))}
      </ul>
    </>
  );
}

function LedgerCard({ ledger }: { ledger: Ledger | null }) {
  const all = ledger === null ? [] : causes(ledger);
  const loss = ledger === null ? null : lost(ledger);
  const captured = ledger?.["captured"] ?? 0;
  return (
    <section class="card" aria-labelledby="ledger-title">
      <h2 id="ledger-title">Ledger</h2>
      {ledger === null || loss === null ? (
        <p class="muted">&nbsp;</p>
      ) : (
        <>
          <p>
            {captured === 0 ? (
              "Nothing has been captured yet."
            ) : loss.count === 0 ? (
              <span class="state-text-ok">
                <Icon name="check" /> Complete: of {count(captured)} captured exchanges none is missing.
              </span>
            ) : (
              <span class="state-text-warning">
                <Icon name="warning" /> {count(loss.count)} of {count(captured)} captured exchanges are lost ({text(share(loss.share))}).
              </span>
            )}
          </p>
          <Balance ledger={ledger} all={all} />
          <div class="table-scroll">
            <table class="small-table causes">
              <thead>
                <tr>
                  <th scope="col">Cause</th>
                  <th scope="col" class="number">
                    Count
                  </th>
                  <th scope="col" class="number">
                    Share
                  </th>
                  <th scope="col" class="meaning">
                    Meaning
                  </th>
                </tr>
              </thead>
              <tbody>
                {all.map((cause) => (
                  <CauseRow key={cause.name} cause={cause} captured={captured} />
                ))}
              </tbody>
            </table>
          </div>
        </>
      )}
    </section>
  );
}

/** Hooks by the mode they are attached in; those that are not attached come last, with the reason. */
function byMode(hooks: readonly Hook[]): [string, Hook[]][] {
  const groups = new Map<string, Hook[]>();
  for (const hook of hooks) {
    const mode = hook.attached ? hook.mode : "not attached";
    groups.set(mode, [...(groups.get(mode) ?? []), hook]);
  }
  return Array.from(groups).toSorted(([a], [b]) => Number(a === "not attached") - Number(b === "not attached") || a.localeCompare(b));
}

function HooksCard({ hooks }: { hooks: readonly Hook[] | null }) {
  const attached = hooks?.filter((hook) => hook.attached).length ?? 0;
  return (
    <section class="card" aria-labelledby="hooks-title">
      <h2 id="hooks-title">Hooks</h2>
      <p class="muted">{hooks === null ? <>&nbsp;</> : `${attached} of ${hooks.length} attached. A hook that is missing costs the figure it feeds, nothing else.`}</p>
      {byMode(hooks ?? []).map(([mode, group]) => (
        <div key={mode} class="table-scroll">
          <table class="small-table hooks">
            <caption>
              {mode} <span class="muted">{group.length}</span>
            </caption>
            <tbody>
              {group.map((hook) => (
                <tr key={hook.hook}>
                  <th scope="row" class="mono">
                    <span class={hook.attached ? "state-text-ok" : "state-text-warning"}>
                      <Icon name={hook.attached ? "check" : "cross"} label={hook.attached ? "attached" : "not attached"} />
                    </span>
                    {hook.hook}
                  </th>
                  <td>
                    {hook.feeds}
                    {hook.reason !== null && <span class="muted reason">{hook.reason}</span>}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      ))}
    </section>
  );
}

export function NodesPage() {
  const polled = usePolled("node", fetchNode);
  const node = polled.data;
  return (
    <section class="page" aria-busy={node === null && polled.isLoading}>
      <header class="page-head">
        <h1>Nodes</h1>
        {node !== null && <p class="muted note">rover {node.version}</p>}
      </header>
      <Freshness of={polled} />
      {node === null && polled.error !== null ? (
        <Failure what="the node" error={polled.error} retryAt={polled.retryAt} retry={polled.reload} />
      ) : (
        <>
          <Cost of={node} />
          <LedgerCard ledger={node?.ledger ?? null} />
          <HooksCard hooks={node?.hooks ?? null} />
        </>
      )}
    </section>
  );
}
