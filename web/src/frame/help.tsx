/** What the keyboard does and how filters are written. A native dialog: it brings focus and Escape with it. */
import type { RefObject } from "preact";

import { FIELD_HELP, FIELDS } from "../exchanges/filter";
import { Icon } from "../parts/icon";

const KEYS = [
  ["/", "Search services, paths and exchanges"],
  ["f", "Filter the list of exchanges; find a service on the map"],
  ["j k", "Next and previous row; on an exchange, the next and previous one of the list"],
  ["Enter", "Open the row"],
  ["Esc", "Back: out of a field, off the row, up a page"],
  ["p", "Pause and resume the live list"],
  ["+ -", "Size of the map"],
  ["t", "Time range"],
  ["?", "This page"],
] as const;

export function Help({ dialog }: { dialog: RefObject<HTMLDialogElement | null> }) {
  return (
    <dialog ref={dialog} class="help" aria-labelledby="help-title" closedby="any">
      <div class="help-body">
        <header>
          <h2 id="help-title">Keyboard and filters</h2>
          <button type="button" class="button button-quiet" aria-label="Close" onClick={() => dialog.current?.close()}>
            <Icon name="cross" />
          </button>
        </header>
        <dl class="help-keys">
          {KEYS.map(([keys, what]) => (
            <div key={keys}>
              <dt>
                {keys.split(" ").map((key) => (
                  <kbd key={key}>{key}</kbd>
                ))}
              </dt>
              <dd>{what}</dd>
            </div>
          ))}
        </dl>
        <h3>Filters</h3>
        <p>
          <code>service:cart status:5xx slower:200ms path:/api/*</code>
        </p>
        <dl class="help-fields">
          {FIELDS.map((field) => (
            <div key={field}>
              <dt>
                <code>{field}:</code>
              </dt>
              <dd>{FIELD_HELP[field].takes}</dd>
            </div>
          ))}
        </dl>
        <p class="muted">A bare word is understood by its looks: 5xx, &gt;200ms, POST, /api/*. Everything else is looked for within paths.</p>
      </div>
    </dialog>
  );
}
