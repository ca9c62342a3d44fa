/** The node: is it complete, what does it see through, and what does rover cost. */
import { node as fetchNode } from "../api/client";
import { usePolled } from "../api/polled";
import type { Node } from "../api/types";
import { bytes, count, duration, text } from "../format/numbers";
import { Figure, measured } from "../parts/figure";
import { Failure, Freshness } from "../parts/states";
import { Tile } from "../parts/tile";
import { HooksCard } from "./hooks_card";
import { LedgerCard } from "./ledger_card";
import { StoreCard } from "./store_card";
import { TlsCard } from "./tls_card";

function percent(value: number): { value: string; unit: string } {
  return { value: value.toFixed(value < 10 ? 2 : 1), unit: "%" };
}

function Cost({ of }: { of: Node | null }) {
  const cost = of?.cost;
  return (
    <div class="tiles" aria-busy={of === null}>
      <Tile label="CPU of rover" sub="of one core">
        <Figure of={measured(cost?.cpu_percent, percent)} why="rover has not run long enough to tell" />
      </Tile>
      <Tile label="Memory" sub="resident">
        <Figure of={measured(cost?.rss_bytes, bytes)} why="this system does not tell" />
      </Tile>
      <Tile label="BPF per exchange" sub="paid by the watched processes">
        <Figure of={measured(cost?.bpf_ns_per_exchange, duration)} why="not measured: needs the kernel setting kernel.bpf_stats_enabled" />
      </Tile>
      <Tile label="Watched processes" sub={of === null ? <>&nbsp;</> : `up for ${text(duration(of.uptime_s * 1e9))}`}>
        <Figure of={measured(of?.watched_processes, (many) => ({ value: count(many), unit: "" }))} why="no daemon runs beside this backend" />
      </Tile>
    </div>
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
          <TlsCard node={node} />
          <StoreCard store={node?.store ?? null} />
        </>
      )}
    </section>
  );
}
