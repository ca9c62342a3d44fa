/** The kernel's figures of one record by layer, as sent and as received. */
import type { Exchange } from "../api/types";
import { bytes, count, duration } from "../format/numbers";
import { Figure, Unknown } from "../parts/figure";
import { type Cell, drops, type FigureKind, figureRows, isBelowSocketKnown } from "./layer_figures";
import { Swatch } from "./labels";
import { LAYER_NAME } from "./timeline";

function Value({ of, kind, why }: { of: Cell; kind: FigureKind; why: string }) {
  if (of === false) return null;
  if (of === null) return <Unknown why={why} />;
  if (typeof of === "string") return <span class="mono">{of}</span>;
  if (kind === "ns") return <Figure of={duration(of)} why="" title={`${count(of)} ns`} />;
  return kind === "bytes" ? <Figure of={bytes(of)} why="" title={`${count(of)} bytes`} /> : <>{count(of)}</>;
}

export function LayerTable({ of }: { of: Exchange }) {
  const all = figureRows(of.kernel);
  const isWhole = isBelowSocketKnown(all);
  const rows = isWhole ? all : all.filter((row) => row.layer === "socket");
  const dropped = drops(of.kernel);
  if (rows.length === 0) return <p class="muted">No socket operation was measured at the {of.side}.</p>;
  return (
    <div>
      <table class="small-table layers">
        <caption>The kernel at the {of.side}</caption>
        <thead>
          <tr>
            <th scope="col">Layer</th>
            <th scope="col">Sum over the exchange</th>
            <th scope="col" class="number">
              Sent
            </th>
            <th scope="col" class="number">
              Received
            </th>
          </tr>
        </thead>
        <tbody>
          {rows.map(({ layer, what, kind, sent, received, why }, index) => (
            <tr key={`${layer} ${what}`} class={rows[index - 1]?.layer === layer ? "is-same-layer" : undefined}>
              <td>
                <span class={rows[index - 1]?.layer === layer ? "spoken" : undefined}>
                  <Swatch layer={layer} />
                  {LAYER_NAME[layer]}
                </span>
              </td>
              <th scope="row">{what}</th>
              <td class="number">
                <Value of={sent} kind={kind} why={why[0]} />
              </td>
              <td class="number">
                <Value of={received} kind={kind} why={why[1]} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      {!isWhole && <p class="muted">The layers below the socket were not measured: their hooks are not attached.</p>}
      {dropped.length > 0 && <p class="dropped">Dropped by the kernel: {dropped.join(", ")}</p>}
    </div>
  );
}
