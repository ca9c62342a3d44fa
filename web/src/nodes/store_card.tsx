/** What the backend keeps, for how long, and how full it is. */
import type { Store } from "../api/types";
import { bytes, count, counted, share, text } from "../format/numbers";
import { Icon } from "../parts/icon";
import { causeName, notStored } from "./ledger";

/** Null while it loads. */
export function StoreCard({ store }: { store: Store | null }) {
  const used = store === null || store.retention_bytes === 0 ? 0 : Math.min(1, store.used_bytes / store.retention_bytes);
  const lost = Object.entries(store?.lost ?? {}).filter(([, many]) => many > 0);
  const leftOut = Object.values(store?.left_out ?? {}).reduce((sum, many) => sum + many, 0);
  return (
    <section class="card" aria-labelledby="store-title">
      <h2 id="store-title">Store</h2>
      {store === null ? (
        <p class="muted">&nbsp;</p>
      ) : (
        <>
          <p>
            {counted(store.stored, "record")} stored since the start, kept for {store.retention_hours} hours, and up to {text(bytes(store.retention_bytes))}.
          </p>
          <svg class="balance" viewBox="0 0 1000 12" preserveAspectRatio="none" aria-hidden="true">
            <rect class="balance-flight" width={used > 0 ? Math.max(4, used * 1000) : 0} height="12" />
          </svg>
          <p class="muted">
            {text(bytes(store.used_bytes))} of {text(bytes(store.retention_bytes))} used ({text(share(used))})
            {store.queued > 0 && `, ${counted(store.queued, "record")} on the way there`}.
          </p>
          {leftOut > 0 && (
            <p class="muted">
              {counted(leftOut, "record")} left out as more came than configured; metrics are of all. Stored meanwhile:{" "}
              {Object.entries(store.kept).map(([why, many]) => `${causeName(why)} ${count(many)}`).join(", ")}.
            </p>
          )}
          {store.overflowed > 0 && (
            <p class="state-text-warning">
              <Icon name="warning" /> Too many names in an hour: {counted(store.overflowed, "figure")} went to <code>(other)</code>. Patterns for endpoints help.
            </p>
          )}
          {lost.length > 0 && (
            <p class="state-text-warning">
              <Icon name="warning" /> {counted(notStored(store), "record")} not stored: {lost.map(([name, many]) => `${causeName(name)} ${count(many)}`).join(", ")}.
            </p>
          )}
        </>
      )}
    </section>
  );
}
