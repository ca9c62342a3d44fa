/** One large figure with its name, and a line of what belongs to it. */
import type { ComponentChildren } from "preact";

import { Icon } from "./icon";

export interface TileProps {
  label: string;
  state?: "ok" | "warning" | "error" | "unknown";
  sub?: ComponentChildren;
  children: ComponentChildren;
}

export function Tile({ label, state, sub, children }: TileProps) {
  return (
    <div class={`tile${state === undefined ? "" : ` tile-${state}`}`}>
      <div class="tile-label">{label}</div>
      <div class="tile-figure">
        {(state === "error" || state === "warning") && <Icon name={state === "error" ? "failure" : "warning"} />}
        {children}
      </div>
      {sub !== undefined && <div class="tile-sub">{sub}</div>}
    </div>
  );
}
