import { afterEach, beforeEach, expect, test, vi } from "vitest";

import { ApiError, type Query, type Tail } from "../src/api/client";
import type { Exchange, Exchanges } from "../src/api/types";
import { LiveList, merged } from "../src/exchanges/live";
import { exchange } from "./exchange";

/** A backend that holds `stored`, newest first, and whose stream the test drives. */
const backend = {
  stored: [] as Exchange[],
  failure: null as ApiError | null,
  asked: 0,
  tails: [] as Tail[],
  open: 0,
};

vi.mock(import("../src/api/client"), async (original) => ({
  ...(await original()),
  exchanges: async (_filters: Query, _range: unknown, page: { before?: string; limit: number }): Promise<Exchanges> => {
    backend.asked += 1;
    if (backend.failure !== null) throw backend.failure;
    const before = page.before;
    const left = backend.stored.filter((row) => before === undefined || row.id < before);
    const shown = left.slice(0, page.limit);
    return { exchanges: shown, next: left.length > shown.length ? (shown.at(-1)?.id ?? null) : null, sampled_one_in: null };
  },
  follow: (_filters: Query, tail: Tail): (() => void) => {
    backend.tails.push(tail);
    backend.open += 1;
    return () => {
      backend.open -= 1;
    };
  },
}));

const LAST = { kind: "last", seconds: 900 } as const;

/** Rows `from` down to `to`, as a page has them. */
function rows(from: number, to: number): Exchange[] {
  return Array.from({ length: from - to + 1 }, (_, index) => exchange(from - index));
}

const numbers = (list: readonly Exchange[]): number[] => list.map((row) => Number.parseInt(row.id, 16));

function stream(): Tail {
  const tail = backend.tails.at(-1);
  if (tail === undefined) throw new Error("nothing follows");
  return tail;
}

/** A list over what is stored, loaded and connected. */
async function connected(): Promise<LiveList> {
  const list = new LiveList({}, LAST);
  list.start();
  stream().onOpen();
  await vi.advanceTimersByTimeAsync(0);
  return list;
}

/** The stream brings these, and the list has had time to draw them. */
async function arrive(...sequence: number[]): Promise<void> {
  for (const one of sequence) {
    const row = exchange(one);
    backend.stored = merged(backend.stored, [row]);
    stream().onExchange(row);
  }
  await vi.advanceTimersByTimeAsync(200);
}

beforeEach(() => {
  vi.useFakeTimers();
  Object.assign(backend, { stored: rows(20, 11), failure: null, asked: 0, tails: [], open: 0 });
});

afterEach(() => {
  vi.useRealTimers();
});

test("what comes is shown on top, each id once", async () => {
  const list = await connected();
  await arrive(21, 22, 21);
  expect(numbers(list.rows.value)).toEqual([22, 21, ...numbers(rows(20, 11))]);
  expect(Array.from(list.fresh.value, (id) => Number.parseInt(id, 16)).toSorted()).toEqual([21, 22]);
});

test("what comes while the first page is under way is not lost", async () => {
  const list = new LiveList({}, LAST);
  list.start();
  stream().onExchange(exchange(30));
  stream().onOpen();
  await vi.advanceTimersByTimeAsync(0);
  expect(numbers(list.rows.value).slice(0, 2)).toEqual([30, 20]);
});

test("an exchange that began earlier and ended now stands where it began", async () => {
  const list = await connected();
  await arrive(25);
  await arrive(23);
  expect(numbers(list.rows.value).slice(0, 3)).toEqual([25, 23, 20]);
});

test("while paused nothing moves, and the number waiting is told", async () => {
  const list = await connected();
  list.pause();
  await arrive(21, 22);
  expect(numbers(list.rows.value)).toEqual(numbers(rows(20, 11)));
  expect(list.waiting.value).toBe(2);
  list.resume();
  expect(list.waiting.value).toBe(0);
  expect(numbers(list.rows.value).slice(0, 3)).toEqual([22, 21, 20]);
});

test("a held list that is let go stays paused if the reader had paused it", async () => {
  const list = await connected();
  list.pause();
  list.hold();
  await arrive(21);
  list.release();
  expect(list.waiting.value).toBe(1);
  expect(numbers(list.rows.value)[0]).toBe(20);
});

test("an unfinished record is completed in place, even while paused", async () => {
  const list = await connected();
  list.pause();
  stream().onExchange(exchange(15, { end_ns: 9000, flags: [] }));
  await vi.advanceTimersByTimeAsync(200);
  expect(list.rows.value.find((row) => row.id === exchange(15).id)?.end_ns).toBe(9000);
  expect(list.waiting.value).toBe(0);
});

test("older pages are appended without holes or doubles", async () => {
  backend.stored = rows(350, 1);
  const list = await connected();
  expect(list.rows.value).toHaveLength(100);
  list.hold();
  await list.older();
  await list.older();
  await list.older();
  expect(numbers(list.rows.value)).toEqual(numbers(rows(350, 1)));
  expect(list.next.value).toBeNull();
});

test("a long following list drops its old end, and asks for it again", async () => {
  backend.stored = rows(400, 1);
  const list = await connected();
  list.hold();
  await list.older();
  await list.older();
  list.release();
  await arrive(401, 402);
  expect(numbers(list.rows.value)).toEqual(numbers(rows(402, 203)));
  list.hold();
  await list.older();
  expect(numbers(list.rows.value)).toEqual(numbers(rows(402, 103)));
});

test("more waiting than is kept: going on starts from the newest, without a hole", async () => {
  const list = await connected();
  list.pause();
  await arrive(...Array.from({ length: 500 }, (_, index) => 21 + index));
  expect(list.waiting.value).toBe(300);
  expect(list.hasMoreWaiting).toBe(true);
  list.resume();
  expect(numbers(list.rows.value)).toEqual(numbers(rows(520, 321)));
  list.hold();
  await list.older();
  expect(numbers(list.rows.value)).toEqual(numbers(rows(520, 221)));
});

test("after a break what came meanwhile is fetched", async () => {
  const list = await connected();
  stream().onBreak(false);
  expect(list.link.value).toBe("lost");
  expect(list.brokenSince.value).not.toBeNull();
  backend.stored = rows(25, 11);
  stream().onOpen();
  await vi.advanceTimersByTimeAsync(200);
  expect(numbers(list.rows.value)).toEqual(numbers(rows(25, 11)));
  expect(list.brokenSince.value).toBeNull();
});

test("after a break longer than a page the list starts anew instead of showing a hole", async () => {
  const list = await connected();
  stream().onBreak(false);
  backend.stored = rows(400, 1);
  stream().onOpen();
  await vi.advanceTimersByTimeAsync(200);
  expect(numbers(list.rows.value)).toEqual(numbers(rows(400, 301)));
});

test("a refused stream is asked for again, later each time, and says when", async () => {
  const list = new LiveList({}, LAST);
  backend.failure = new ApiError("the store is away", 503, "store_unreadable");
  list.start();
  stream().onBreak(true);
  await vi.advanceTimersByTimeAsync(0);
  expect(list.error.value?.message).toBe("the store is away");
  const first = list.retryAt.value?.getTime() ?? 0;
  expect(first - Date.now()).toBe(2000);
  await vi.advanceTimersByTimeAsync(2000);
  expect(backend.tails).toHaveLength(2);
  stream().onBreak(true);
  await vi.advanceTimersByTimeAsync(0);
  expect((list.retryAt.value?.getTime() ?? 0) - Date.now()).toBe(4000);
  backend.failure = null;
  await vi.advanceTimersByTimeAsync(4000);
  stream().onOpen();
  await vi.advanceTimersByTimeAsync(0);
  expect(list.error.value).toBeNull();
  expect(list.retryAt.value).toBeNull();
  expect(numbers(list.rows.value)).toEqual(numbers(rows(20, 11)));
});

test("a bad filter is not asked for again", async () => {
  const list = new LiveList({}, LAST);
  backend.failure = new ApiError("status: …", 400, "bad_parameter");
  list.start();
  stream().onBreak(true);
  await vi.advanceTimersByTimeAsync(60_000);
  expect(backend.tails).toHaveLength(1);
  expect(list.retryAt.value).toBeNull();
});

test("a stopped list holds no stream and no timer, and goes on where it was", async () => {
  const list = await connected();
  list.stop();
  expect(backend.open).toBe(0);
  expect(vi.getTimerCount()).toBe(0);
  backend.stored = rows(22, 11);
  list.start();
  stream().onOpen();
  await vi.advanceTimersByTimeAsync(200);
  expect(numbers(list.rows.value)).toEqual(numbers(rows(22, 11)));
});

test("a fixed range has no stream", async () => {
  const list = new LiveList({}, { kind: "between", from: new Date(0), to: new Date(1) });
  list.start();
  await vi.advanceTimersByTimeAsync(0);
  expect(backend.tails).toHaveLength(0);
  expect(list.rows.value).toHaveLength(10);
});

test("what came too fast is counted, and a new start forgets it", async () => {
  const list = await connected();
  stream().onSkipped(70);
  stream().onSkipped(30);
  expect(list.skipped.value).toBe(100);
  backend.stored = rows(500, 1);
  list.renew();
  stream().onOpen();
  await vi.advanceTimersByTimeAsync(0);
  expect(list.skipped.value).toBe(0);
  expect(numbers(list.rows.value)).toEqual(numbers(rows(500, 401)));
});

test("a list too fast to read is drawn each second, and each time at once again when it calms down", async () => {
  const list = await connected();
  await arrive(...Array.from({ length: 60 }, (_, index) => 21 + index));
  expect(list.fresh.value.size).toBe(0);
  await arrive(100);
  expect(numbers(list.rows.value)[0]).toBe(80);
  await vi.advanceTimersByTimeAsync(1000);
  expect(numbers(list.rows.value)[0]).toBe(100);
  await arrive(101);
  expect(numbers(list.rows.value)[0]).toBe(101);
});
