/** The light in the top bar: is what this page shows complete? A click tells what is missing and why. */
import { href } from "../address";
import { ledger as fetchLedger } from "../api/client";
import { usePolled } from "../api/polled";
import { count, share, text } from "../format/numbers";
import { causeName, causes, lost } from "../nodes/ledger";
import { Menu } from "../parts/menu";

export function LedgerLight() {
  const polled = usePolled("ledger", fetchLedger);
  const ledger = polled.data;
  const loss = ledger === null ? null : lost(ledger);
  const state = polled.error !== null ? "error" : loss === null ? "unknown" : loss.count > 0 ? "warning" : "ok";
  const word =
    state === "error" ? "no contact" : loss === null ? "…" : loss.count > 0 ? `${text(share(loss.share))} lost` : "complete";

  return (
    <Menu
      class={`button button-quiet light light-${state}`}
      name={`Completeness of the records: ${word}`}
      label={
        <>
          <span class="light-dot" aria-hidden="true" />
          <span class="light-word">{word}</span>
        </>
      }
    >
      {(close) => (
        <div class="light-panel">
          {ledger === null ? (
            <p>{polled.error?.message ?? "Asking the backend."}</p>
          ) : (
            <>
              {polled.error !== null && <p class="state-text-error">The backend does not answer; these are its last figures.</p>}
              <p>
                <strong>{count(ledger["reported"] ?? 0)}</strong> of <strong>{count(ledger["captured"] ?? 0)}</strong> captured exchanges are reported
                {(ledger["in_flight"] ?? 0) > 0 && `, ${count(ledger["in_flight"] ?? 0)} are on their way`}.
              </p>
              <table class="small-table">
                <tbody>
                  {causes(ledger).map((cause) => (
                    <tr key={cause.name} class={cause.isLoss && cause.count > 0 ? "is-loss" : undefined} title={cause.meaning}>
                      <th scope="row">{causeName(cause.name)}</th>
                      <td>{count(cause.count)}</td>
                    </tr>
                  ))}
                </tbody>
              </table>
            </>
          )}
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
