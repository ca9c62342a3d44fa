/** Time range and auto-refresh: what every page's figures are about. */
import type { RefObject } from "preact";
import { useState } from "preact/hooks";

import { changed, go, parameters } from "../address";
import { serverNow } from "../api/client";
import { zone } from "../format/time";
import { Icon } from "../parts/icon";
import { Menu, MenuItem } from "../parts/menu";
import { DEFAULT_RANGE, DEFAULT_REFRESH, range, rangeName, RANGES, rangeText, REFRESHES } from "../range";

/** A date as `<input type=datetime-local>` has it: local, to the minute. */
function local(at: Date): string {
  return new Date(at.getTime() - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}

function BetweenForm({ close }: { close: () => void }) {
  const now = range.value;
  const start = now.kind === "between" ? now.from : new Date(serverNow() - now.seconds * 1000);
  const end = now.kind === "between" ? now.to : new Date(serverNow());
  const [from, setFrom] = useState(local(start));
  const [to, setTo] = useState(local(end));
  const isValid = from !== "" && to !== "" && from < to;
  const onSubmit = (event: Event): void => {
    event.preventDefault();
    if (!isValid) return;
    go(changed({ range: null, from: new Date(from).toISOString(), to: new Date(to).toISOString() }));
    close();
  };
  return (
    <form class="between" onSubmit={onSubmit}>
      <label>
        <span>From</span>
        <input type="datetime-local" value={from} onInput={(event) => setFrom(event.currentTarget.value)} />
      </label>
      <label>
        <span>To</span>
        <input type="datetime-local" value={to} onInput={(event) => setTo(event.currentTarget.value)} />
      </label>
      <button type="submit" class="button button-strong" disabled={!isValid}>
        Show
      </button>
      <p class="muted">Times in {zone()}</p>
    </form>
  );
}

export function RangeMenu({ opener }: { opener: RefObject<HTMLButtonElement | null> }) {
  const chosen = range.value.kind === "between" ? null : (parameters.value.get("range") ?? DEFAULT_RANGE);
  return (
    <Menu
      name="Time range"
      hotkey="t"
      opener={opener}
      label={
        <>
          <Icon name="clock" />
          <span class="range-text">{rangeText(range.value)}</span>
          <span class="range-short">{chosen ?? "fixed"}</span>
          <Icon name="chevron" />
        </>
      }
    >
      {(close) => (
        <>
          {RANGES.map((text) => (
            <MenuItem
              key={text}
              isChosen={text === chosen}
              onClick={() => {
                go(changed({ range: text === DEFAULT_RANGE ? null : text, from: null, to: null }));
                close();
              }}
            >
              {rangeName(text)}
            </MenuItem>
          ))}
          <BetweenForm close={close} />
        </>
      )}
    </Menu>
  );
}

export function RefreshMenu() {
  const isFixed = range.value.kind === "between";
  const chosen = parameters.value.get("refresh") ?? DEFAULT_REFRESH;
  const shown = isFixed ? "off" : chosen;
  return (
    <Menu
      name={isFixed ? "Auto-refresh (a fixed range does not change)" : "Auto-refresh"}
      label={
        <>
          <Icon name="refresh" />
          <span class="refresh-text">{shown}</span>
          <Icon name="chevron" />
        </>
      }
    >
      {(close) =>
        REFRESHES.map((text) => (
          <MenuItem
            key={text}
            isChosen={text === shown}
            onClick={() => {
              go(changed({ refresh: text === DEFAULT_REFRESH ? null : text }), { replace: true });
              close();
            }}
          >
            {text === "off" ? "Off" : `Every ${text}`}
          </MenuItem>
        ))
      }
    </Menu>
  );
}
