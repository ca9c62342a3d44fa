/** What stands where data should be: nothing yet, nothing at all, a failure, or data that has grown old. */
import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";

import type { ApiError } from "../api/client";
import type { Polled } from "../api/polled";
import { second, zone } from "../format/time";
import { Icon } from "./icon";

/** Seconds until `at`, counted down each second. */
function useCountdown(at: Date | null): number | null {
  const [, tick] = useState(0);
  useEffect(() => {
    if (at === null) return undefined;
    const timer = setInterval(() => tick((n) => n + 1), 1000);
    return () => clearInterval(timer);
  }, [at]);
  return at === null ? null : Math.max(0, Math.ceil((at.getTime() - Date.now()) / 1000));
}

interface FailureProps {
  /** What was to be loaded, as the object of "could not load …". */
  what: string;
  error: ApiError;
  retryAt: Date | null;
  retry: () => void;
}

/** In place of data that never came. */
export function Failure({ what, error, retryAt, retry }: FailureProps) {
  const left = useCountdown(retryAt);
  return (
    <div class="state state-error" role="alert">
      <Icon name="failure" />
      <h2>Could not load {what}</h2>
      <p>{sentence(error.message)}</p>
      <p class="actions">
        <button type="button" class="button button-strong" onClick={retry}>
          Try again
        </button>
        {left !== null && <span class="muted">Trying again in {left} s</span>}
      </p>
    </div>
  );
}

/** Above data that is there but no longer fresh. */
export function Stale({ since, error, retryAt, retry }: { since: Date; error: ApiError | null; retryAt: Date | null; retry: () => void }) {
  const left = useCountdown(retryAt);
  return (
    <div class="banner banner-warning" role="status">
      <Icon name="warning" />
      <span>
        <strong>
          Not updated since {second(since)} {zone(since)}
        </strong>
        {error !== null && <>: {error.message}</>}
        {left !== null && `. Trying again in ${left} s`}
      </span>
      <button type="button" class="button" onClick={retry}>
        Try now
      </button>
    </div>
  );
}

/** `Stale` for a polled value, nothing while it is fresh. */
export function Freshness({ of }: { of: Polled<unknown> }) {
  if (of.error === null || of.data === null || of.at === null) return null;
  return <Stale since={of.at} error={of.error} retryAt={of.retryAt} retry={of.reload} />;
}

/** In place of an empty result: says what that means and what to do. */
export function Empty({ title, children }: { title: string; children: ComponentChildren }) {
  return (
    <div class="state">
      <EmptyPicture />
      <h2>{title}</h2>
      {children}
    </div>
  );
}

function EmptyPicture() {
  return (
    <svg class="state-picture" viewBox="0 0 120 48" width="120" height="48" aria-hidden="true">
      <path class="state-picture-line" d="M2 34h26l8-16 12 26 9-18 6 8h55" />
      <circle class="state-picture-dot" cx="118" cy="34" r="2" />
    </svg>
  );
}

/** Rows that keep the place of a table's rows while they load. */
export function SkeletonRows({ columns, rows = 6 }: { columns: number; rows?: number }) {
  return (
    <tbody class="skeleton" aria-hidden="true">
      {Array.from({ length: rows }, (_, row) => (
        <tr key={row}>
          {Array.from({ length: columns }, (__, column) => (
            <td key={column}>
              <span class={`bone bone-${(row + column) % 3}`} />
            </td>
          ))}
        </tr>
      ))}
    </tbody>
  );
}

/** First letter large, full stop at the end. */
function sentence(text: string): string {
  const start = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(start) ? start : `${start}.`;
}
