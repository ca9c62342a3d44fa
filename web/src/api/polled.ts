/** Values that are fetched again and again: loading, fresh, stale or failed, with when and why. */
import { useCallback, useEffect, useRef, useState } from "preact/hooks";

import { refreshMs } from "../range";
import { ApiError } from "./client";

export interface Polled<T> {
  data: T | null;
  /** The last attempt's failure; null once one succeeds. With data it means: stale. */
  error: ApiError | null;
  /** When `data` was fetched. */
  at: Date | null;
  /** When the next attempt is due after a failure. */
  retryAt: Date | null;
  isLoading: boolean;
  /** Ask again now. */
  reload: () => void;
}

const FIRST_RETRY_MS = 2000;
const LONGEST_RETRY_MS = 30_000;

type State<T> = Omit<Polled<T>, "reload">;

/**
 * Fetches with `load` whenever `key` changes and then on the page's refresh interval; backs off while it fails and rests
 * while the tab is hidden. Old data stays until new data is there, so that a changed range does not empty the page.
 * `load` is called with the current closure; only `key` decides when it is asked anew. A null key asks for nothing.
 */
export function usePolled<T>(key: string | null, load: (signal: AbortSignal) => Promise<T>, interval?: number | null): Polled<T> {
  const [state, setState] = useState<State<T>>({ data: null, error: null, at: null, retryAt: null, isLoading: key !== null });
  const latest = useRef(load);
  latest.current = load;
  const again = useRef<() => void>(() => undefined);
  const every = interval === undefined ? refreshMs.value : interval;

  useEffect(() => {
    if (key === null) return undefined;
    let timer: ReturnType<typeof setTimeout> | undefined;
    let running: AbortController | null = null;
    let failures = 0;
    let isOver = false;

    const plan = (delay: number): void => {
      clearTimeout(timer);
      timer = setTimeout(() => void attempt(), delay);
    };

    const attempt = async (): Promise<void> => {
      clearTimeout(timer);
      if (document.hidden && failures === 0 && every !== null) return;
      running?.abort();
      const mine = new AbortController();
      running = mine;
      setState((old) => ({ ...old, isLoading: true }));
      try {
        const data = await latest.current(mine.signal);
        if (mine.signal.aborted) return;
        failures = 0;
        setState({ data, error: null, at: new Date(), retryAt: null, isLoading: false });
        if (every !== null) plan(every);
      } catch (cause) {
        if (mine.signal.aborted || isOver) return;
        const error = cause instanceof ApiError ? cause : new ApiError(String(cause), 0, "unexpected");
        const delay = Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** failures);
        failures += 1;
        setState((old) => ({ ...old, error, isLoading: false, retryAt: error.isRetryable ? new Date(Date.now() + delay) : null }));
        if (error.isRetryable) plan(delay);
      }
    };

    const onVisible = (): void => {
      if (!document.hidden && every !== null) void attempt();
    };

    again.current = () => void attempt();
    void attempt();
    document.addEventListener("visibilitychange", onVisible);
    return () => {
      isOver = true;
      clearTimeout(timer);
      running?.abort();
      document.removeEventListener("visibilitychange", onVisible);
    };
  }, [key, every]);

  const reload = useCallback(() => again.current(), []);
  return { ...state, reload };
}
