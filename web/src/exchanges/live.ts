/**
 * The exchange list: a page of the past, a stream of what comes, and older pages on demand, as one list without holes,
 * newest first and each id once. Knows nothing of the DOM.
 *
 * Following: what comes is shown at once. Held (the reader has scrolled or chosen a row) and paused (the reader said so):
 * what comes waits, nothing on the screen moves, and the number waiting is told.
 */
import { computed, signal } from "@preact/signals";

import { ApiError, exchanges, follow, type Query } from "../api/client";
import type { Exchange } from "../api/types";
import type { Range } from "../range";

/** Rows of one request. */
const PAGE = 100;
/** Most rows kept while following; older ones are asked for again when wanted. Bounds memory and drawing. */
const MOST_FOLLOWED = 200;
/** Most rows that wait while held. Beyond it only the newest are kept, and resuming starts from them. */
const MOST_WAITING = 300;
/** What comes within this time is drawn at once: at thousands per second the page must not draw each. */
const BATCH_MS = 150;
/** More than this many at once nobody can follow: then drawing each second is enough, and new rows are not marked. */
const BUSY = 40;
const BUSY_BATCH_MS = 1000;
/** So much may arrive between two drawings before it is looked at; bounds memory. */
const MOST_ARRIVED = 1000;
const FIRST_RETRY_MS = 2000;
const LONGEST_RETRY_MS = 30_000;

export type Link = "none" | "connecting" | "open" | "lost";

export class LiveList {
  readonly rows = signal<readonly Exchange[]>([]);
  /** Ids that came since the last drawing while following: the page marks them for a moment. */
  readonly fresh = signal<ReadonlySet<string>>(new Set());
  readonly waiting = signal(0);
  /** How many came faster than the stream could bring them: so many are missing between the rows. */
  readonly skipped = signal(0);
  readonly isPaused = signal(false);
  readonly isHeld = signal(false);
  readonly isLoaded = signal(false);
  readonly isLoadingOlder = signal(false);
  readonly error = signal<ApiError | null>(null);
  readonly retryAt = signal<Date | null>(null);
  readonly next = signal<string | null>(null);
  /** Of how many ordinary exchanges one is stored; null: all are. */
  readonly sampledOneIn = signal<number | null>(null);
  readonly link = signal<Link>("none");
  /** Since when the list may lack what came: the moment the stream broke. */
  readonly brokenSince = signal<Date | null>(null);
  readonly isFollowing = computed(() => !this.isPaused.value && !this.isHeld.value);

  /** As it came from the stream, not looked at yet. */
  private arrived: Exchange[] = [];
  /** What waits to be shown, newest first. */
  private queue: Exchange[] = [];
  private hasOverflowed = false;
  private isBusy = false;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private retryTimer: ReturnType<typeof setTimeout> | undefined;
  private failures = 0;
  private stopFollowing: (() => void) | undefined;
  private aborter = new AbortController();
  private isStarted = false;
  private isAnew = true;

  constructor(
    private readonly filters: Query,
    private readonly range: Range,
  ) {}

  /** Loads the first page and opens the stream; again after `stop` it goes on where it was. */
  start(): void {
    if (this.isStarted) return;
    this.isStarted = true;
    this.aborter = new AbortController();
    if (this.range.kind === "last") this.open();
    else void this.load();
  }

  stop(): void {
    this.isStarted = false;
    this.aborter.abort();
    this.stopFollowing?.();
    this.stopFollowing = undefined;
    clearTimeout(this.timer);
    clearTimeout(this.retryTimer);
    this.timer = undefined;
    this.retryTimer = undefined;
    this.retryAt.value = null;
    this.link.value = "none";
  }

  /** Keeps the screen as it is until `release`; for scrolling and chosen rows. */
  hold(): void {
    this.isHeld.value = true;
  }

  release(): void {
    this.isHeld.value = false;
    if (this.isFollowing.value) this.flush();
  }

  pause(): void {
    this.isPaused.value = true;
  }

  /** Ends pause and hold alike and shows what has waited. */
  resume(): void {
    this.isPaused.value = false;
    this.isHeld.value = false;
    this.flush();
  }

  /** Asks again, after an error. */
  reload(): void {
    this.stop();
    this.start();
  }

  /** Starts from the newest page, without what was missing between the rows. */
  renew(): void {
    this.stop();
    this.arrived = [];
    this.queue = [];
    this.waiting.value = 0;
    this.skipped.value = 0;
    this.hasOverflowed = false;
    this.isAnew = true;
    this.isPaused.value = false;
    this.isHeld.value = false;
    this.start();
  }

  /** Appends the next older page. */
  async older(): Promise<void> {
    const before = this.next.value;
    if (before === null || this.isLoadingOlder.value) return;
    this.isLoadingOlder.value = true;
    try {
      const page = await exchanges(this.filters, this.range, { before, limit: PAGE }, this.aborter.signal);
      this.rows.value = merged(this.rows.value, page.exchanges);
      this.next.value = page.next;
      this.sampledOneIn.value = page.sampled_one_in;
    } catch (cause) {
      if (cause instanceof ApiError) this.error.value = cause;
    } finally {
      this.isLoadingOlder.value = false;
    }
  }

  /** The stream first, then the page: what comes in between is in the stream, so there is no hole. */
  private open(): void {
    this.link.value = "connecting";
    this.stopFollowing = follow(this.filters, {
      onOpen: () => {
        this.link.value = "open";
        void this.load();
      },
      onExchange: (exchange) => this.take(exchange),
      onSkipped: (count) => {
        this.skipped.value += count;
      },
      onBreak: (isOver) => {
        this.link.value = "lost";
        this.brokenSince.value ??= new Date();
        if (isOver) void this.afterRefusal();
        else if (!this.isLoaded.value) void this.load();
      },
    });
  }

  /** The browser gives a refused stream up, and does not tell scripts why; asking for the page does. */
  private async afterRefusal(): Promise<void> {
    await this.load();
    if (this.isStarted && this.error.value?.isRetryable !== false) this.planRetry();
  }

  /** Fetches the newest page, or after a break what came since the newest row known. */
  private async load(): Promise<void> {
    this.sift();
    const known = this.queue[0] ?? this.rows.value[0];
    try {
      const page = await exchanges(this.filters, this.range, { limit: PAGE }, this.aborter.signal);
      this.error.value = null;
      this.failures = 0;
      if (this.link.value !== "lost") this.brokenSince.value = null;
      const oldest = page.exchanges.at(-1);
      this.sift();
      // More came during the break than one page holds: what lies between is not known, so the list starts anew.
      const hasHole = known !== undefined && page.next !== null && oldest !== undefined && oldest.id > known.id;
      if (this.isAnew || (hasHole && this.isFollowing.value)) {
        this.rows.value = merged(page.exchanges, this.queue);
        this.queue = [];
        this.next.value = page.next;
      this.sampledOneIn.value = page.sampled_one_in;
        this.isAnew = false;
        this.isLoaded.value = true;
      } else if (hasHole) {
        this.queue = page.exchanges;
        this.hasOverflowed = true;
        this.waiting.value = this.queue.length;
      } else {
        for (const exchange of page.exchanges.toReversed()) this.take(exchange);
      }
    } catch (cause) {
      if (this.aborter.signal.aborted) return;
      const error = cause instanceof ApiError ? cause : new ApiError(String(cause), 0, "unexpected");
      this.error.value = error;
      if (error.isRetryable) this.planRetry();
    }
  }

  /** Starts anew after a while: longer with each failure in a row. */
  private planRetry(): void {
    if (this.retryTimer !== undefined) return;
    const delay = Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** this.failures);
    this.failures += 1;
    this.retryAt.value = new Date(Date.now() + delay);
    this.retryTimer = setTimeout(() => this.reload(), delay);
  }

  /** Only puts aside: at thousands per second the work is done once per drawing. */
  private take(exchange: Exchange): void {
    this.arrived.push(exchange);
    if (this.arrived.length >= MOST_ARRIVED) this.sift();
    this.timer ??= setTimeout(() => this.flush(), this.isBusy ? BUSY_BATCH_MS : BATCH_MS);
  }

  /** What has arrived: rows that are shown already are completed in place, the others join those that wait. */
  private sift(): void {
    if (this.arrived.length === 0) return;
    const shown = new Map(this.rows.value.map((row) => [row.id, row.end_ns]));
    const isShown = (exchange: Exchange): boolean => shown.has(exchange.id);
    const completed = this.arrived.filter((exchange) => isShown(exchange) && shown.get(exchange.id) !== exchange.end_ns);
    if (completed.length > 0) this.rows.value = merged(this.rows.value, completed);
    this.queue = merged(
      this.queue,
      this.arrived.filter((exchange) => !isShown(exchange)),
    );
    this.arrived = [];
    if (this.queue.length > MOST_WAITING) {
      this.queue.length = MOST_WAITING;
      this.hasOverflowed = true;
    }
  }

  private flush(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    this.sift();
    if (!this.isFollowing.value && this.isLoaded.value) {
      this.waiting.value = this.queue.length;
      return;
    }
    if (this.queue.length === 0) return;
    const queue = this.queue;
    const all = merged(this.hasOverflowed ? [] : this.rows.value, queue);
    this.queue = [];
    this.waiting.value = 0;
    this.isBusy = queue.length > BUSY;
    this.fresh.value = new Set(this.isBusy ? [] : queue.map((exchange) => exchange.id));
    if (this.hasOverflowed || all.length > MOST_FOLLOWED) {
      all.length = Math.min(all.length, MOST_FOLLOWED);
      this.next.value = all.at(-1)?.id ?? null;
    }
    this.hasOverflowed = false;
    this.rows.value = all;
  }

  /** Whether more waits than is kept: then the number waiting is a lower bound. */
  get hasMoreWaiting(): boolean {
    return this.hasOverflowed;
  }
}

/** Two lists as one: each id once (the later word wins), newest first. Ids sort by start time. */
export function merged(left: readonly Exchange[], right: readonly Exchange[]): Exchange[] {
  const byId = new Map<string, Exchange>();
  for (const exchange of left) byId.set(exchange.id, exchange);
  for (const exchange of right) byId.set(exchange.id, exchange);
  return Array.from(byId.values()).toSorted((a, b) => (a.id < b.id ? 1 : -1));
}
