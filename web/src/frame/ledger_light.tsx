/** The light in the top bar: is what this page shows complete? A click tells what is missing and why. */
import { href } from "../address";
import { node as fetchNode } from "../api/client";
import { type Polled, usePolled } from "../api/polled";
import type { Node } from "../api/types";
import { count, counted, share, text } from "../format/numbers";
import { balance, causeName, lostShare, notStored } from "../nodes/ledger";
import { Menu } from "../parts/menu";

type State = "ok" | "warning" | "error" | "unknown";

function reading({ data, error }: Polled<Node>): { state: State; word: string } {
  if (error !== null) return { state: "error", word: "no contact" };
  if (data === null) return { state: "unknown", word: "…" };
  const lost = lostShare(data);
  if (lost > 0) return { state: "warning", word: `${text(share(lost))} lost` };
  return balance(data.ledger) === null ? { state: "unknown", word: "no ledger" } : { state: "ok", word: "complete" };
}

function Causes({ of }: { of: Node }) {
  const sums = balance(of.ledger);
  const unstored = notStored(of.store);
  return (
    <>
      {sums === null ? (
        <p>No daemon runs beside this backend, so there is no ledger here.</p>
      ) : (
        <>
          <p>
            Of <strong>{count(sums.captured)}</strong> captured reads and writes <strong>{count(sums.reported)}</strong> are in records
            {sums.inFlight > 0 && `, ${count(sums.inFlight)} are on their way`}. The rest:
          </p>
          <table class="small-table">
            <tbody>
              {sums.causes
                .filter((cause) => cause.isLoss || cause.count > 0)
                .map((cause) => (
                  <tr key={cause.name} class={cause.isLoss && cause.count > 0 ? "is-loss" : undefined} title={cause.meaning}>
                    <th scope="row">{causeName(cause.name)}</th>
                    <td>{count(cause.count)}</td>
                  </tr>
                ))}
            </tbody>
          </table>
        </>
      )}
      {unstored > 0 && <p class="state-text-warning">{counted(unstored, "record")} not stored.</p>}
    </>
  );
}

export function LedgerLight() {
  const polled = usePolled("light", fetchNode);
  const { state, word } = reading(polled);
  return (
    <Menu
      class={`button button-quiet light light-${state}`}
      name="Completeness of the records"
      label={
        <>
          <span class="light-dot" aria-hidden="true" />
          <span class="light-word">{word}</span>
        </>
      }
    >
      {(close) => (
        <div class="light-panel">
          {polled.error !== null && <p class="state-text-error">The backend does not answer: {polled.error.message}.</p>}
          {polled.data !== null && <Causes of={polled.data} />}
          <p>
            <a href={href("/nodes")} onClick={close}>
              Ledger and hooks of this node
            </a>
          </p>
        </div>
      )}
    </Menu>
  );
}
