/** Whether the list follows, and the button that stops it. */
import { changed } from "../address";
import { Icon } from "../parts/icon";
import { range } from "../range";
import type { LiveList } from "./live";
import { toTop } from "./place";

export function LiveControl({ list }: { list: LiveList }) {
  if (range.value.kind === "between") {
    return (
      <p class="live-state muted">
        Fixed range. <a href={changed({ from: null, to: null })}>Go live</a>
      </p>
    );
  }
  const isPaused = list.isPaused.value;
  // Live is only what is also complete: the stream is open and what lies before it has come.
  const link = list.link.value === "open" && !list.isLoaded.value ? "connecting" : list.link.value;
  const state = isPaused ? "paused" : link !== "open" ? link : list.isHeld.value ? "held" : "live";
  const words = { paused: "Paused", held: "Held", live: "Live", lost: "Not connected", connecting: "Connecting", none: "Connecting" }[state];
  const waiting = list.waiting.value;
  return (
    <div class="live">
      <span class={`live-state live-${state}`} role="status" title={state === "held" ? "The list stands still while you are in it" : undefined}>
        <span class="live-dot" aria-hidden="true" />
        {words}
        {waiting > 0 && ` · ${waiting}${list.hasMoreWaiting ? "+" : ""} new`}
      </span>
      <button type="button" class="button" title={isPaused ? "Resume (p)" : "Pause (p)"} onClick={() => (isPaused ? toTop(list) : list.pause())}>
        <Icon name={isPaused ? "play" : "pause"} />
        {isPaused ? "Resume" : "Pause"}
      </button>
    </div>
  );
}
