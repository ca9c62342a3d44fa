/**
 * The one place that talks to the backend. Everything else gets typed values or an ApiError.
 * Paths and parameters as the backend's OpenAPI page names them.
 */
import { bounds, type Range } from "../range";
import type { Endpoints, Exchange, Exchanges, Node, Instances, Partner, Series, Services, Topology } from "./types";

/** The backend did not give what was asked: its own words where it had any, else what kept us from reaching it. */
export class ApiError extends Error {
  constructor(
    message: string,
    /** HTTP status; 0 if no answer came at all. */
    readonly status: number,
    readonly code: string,
  ) {
    super(message);
  }

  /** Whether asking again may help; a bad filter or an unknown id stays what it is. */
  get isRetryable(): boolean {
    return this.status === 0 || this.status >= 500 || this.status === 429;
  }
}

export type Query = Record<string, string | null | undefined>;

/** Longest wait for an answer; the store gives up on a query before that. */
const TIMEOUT_MS = 15_000;

/** Server clock − browser clock, from the Date header; below five seconds it is noise of that header. */
let skewMs = 0;

/** The server's present time as far as we know it, in milliseconds since the epoch. */
export function serverNow(): number {
  return Date.now() + skewMs;
}

function noteClock(answer: Response): void {
  const date = Date.parse(answer.headers.get("date") ?? "");
  if (Number.isNaN(date)) return;
  const skew = date - Date.now();
  skewMs = Math.abs(skew) > 5000 ? skew : 0;
}

function address(path: string, query: Query): string {
  const set = Object.entries(query).filter((entry): entry is [string, string] => entry[1] !== null && entry[1] !== undefined);
  const text = new URLSearchParams(set).toString();
  return text === "" ? path : `${path}?${text}`;
}

async function refusal(answer: Response): Promise<ApiError> {
  try {
    const body = (await answer.json()) as { error?: { code?: string; message?: string } };
    if (body.error?.message !== undefined) return new ApiError(body.error.message, answer.status, body.error.code ?? "");
  } catch {
    // Not our error shape: a proxy's page, or nothing.
  }
  return new ApiError(`the backend answered ${answer.status} ${answer.statusText}`.trim(), answer.status, "");
}

async function get<T>(path: string, query: Query, signal?: AbortSignal): Promise<T> {
  const timeout = AbortSignal.timeout(TIMEOUT_MS);
  let answer: Response;
  try {
    answer = await fetch(address(path, query), {
      headers: { accept: "application/json" },
      signal: signal === undefined ? timeout : AbortSignal.any([signal, timeout]),
    });
    noteClock(answer);
    if (answer.ok) return (await answer.json()) as T;
  } catch (cause) {
    if (signal?.aborted === true) throw cause;
    if (timeout.aborted) throw new ApiError(`no answer within ${TIMEOUT_MS / 1000} s`, 0, "timeout");
    throw new ApiError("the backend cannot be reached", 0, "unreachable");
  }
  throw await refusal(answer);
}

/** Services seen in the range, with their figures. */
export function services(range: Range, signal?: AbortSignal): Promise<Services> {
  return get("/api/services", bounds(range, serverNow()), signal);
}

/** Endpoints of one service in the range. */
export function endpoints(name: string, range: Range, signal?: AbortSignal): Promise<Endpoints> {
  return get(`/api/services/${encodeURIComponent(name)}/endpoints`, bounds(range, serverNow()), signal);
}

/** Instances of one service in the range. */
export function instances(name: string, range: Range, signal?: AbortSignal): Promise<Instances> {
  return get(`/api/services/${encodeURIComponent(name)}/instances`, bounds(range, serverNow()), signal);
}

/** A service, or one of its endpoints (`METHOD:path`), over the range. */
export function series(name: string, endpoint: string | null, range: Range, signal?: AbortSignal): Promise<Series> {
  return get(`/api/services/${encodeURIComponent(name)}/series`, { endpoint, ...bounds(range, serverNow()) }, signal);
}

/** Who calls whom in the range; with `around` only what that service has to do with. */
export function topology(range: Range, signal?: AbortSignal, around: string | null = null): Promise<Topology> {
  return get("/api/topology", { around, ...bounds(range, serverNow()) }, signal);
}

/** Exchanges that pass the filters, newest first. The backend looks for a moment at a time: asked on until the page is full. */
export async function exchanges(
  filters: Query,
  range: Range,
  page: { before?: string; after?: string; limit: number },
  signal?: AbortSignal,
): Promise<Exchanges> {
  const asked = { ...filters, ...bounds(range, serverNow()) };
  const found: Exchanges = await get("/api/exchanges", { ...asked, ...page, limit: String(page.limit) }, signal);
  while (page.after === undefined && found.next !== null && found.exchanges.length < page.limit) {
    const limit = String(page.limit - found.exchanges.length);
    // oxlint-disable-next-line no-await-in-loop -- each begins where the one before ended
    const more: Exchanges = await get("/api/exchanges", { ...asked, before: found.next, limit }, signal);
    found.exchanges.push(...more.exchanges);
    found.next = more.next;
  }
  return found;
}

/** One exchange in full. */
export function exchange(id: string, signal?: AbortSignal): Promise<Exchange> {
  return get(`/api/exchanges/${encodeURIComponent(id)}`, {}, signal);
}

/** The other end's record of an exchange. */
export function partner(id: string, signal?: AbortSignal): Promise<Partner> {
  return get(`/api/exchanges/${encodeURIComponent(id)}/partner`, {}, signal);
}

/** Hooks, ledger and cost of the node. */
export function node(signal?: AbortSignal): Promise<Node> {
  return get("/api/node", {}, signal);
}

export interface Tail {
  /** The stream is open, for the first time or again. */
  onOpen(): void;
  onExchange(exchange: Exchange): void;
  /** So many more came than this client could take. */
  onSkipped(count: number): void;
  /** The stream broke; the browser tries again by itself unless `isOver`. */
  onBreak(isOver: boolean): void;
}

/** Follows new exchanges as they are stored, until the returned function is called. */
export function follow(filters: Query, tail: Tail): () => void {
  const source = new EventSource(address("/api/exchanges/stream", filters));
  source.addEventListener("open", () => tail.onOpen());
  source.addEventListener("exchange", (event) => tail.onExchange(JSON.parse(event.data as string) as Exchange));
  source.addEventListener("skipped", (event) => tail.onSkipped((JSON.parse(event.data as string) as { count: number }).count));
  source.addEventListener("error", () => tail.onBreak(source.readyState === EventSource.CLOSED));
  return () => source.close();
}
