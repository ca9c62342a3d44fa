/**
 * The address bar is the page's only state that matters: route, filters, range, sort.
 * Components read the signals here and move by `go`; nobody else touches history or location.
 */
import { computed, signal } from "@preact/signals";

export type Route =
  | { page: "services" }
  | { page: "service"; name: string }
  | { page: "topology" }
  | { page: "compare" }
  | { page: "exchanges" }
  | { page: "exchange"; id: string }
  | { page: "nodes" }
  | { page: "unknown"; path: string };

/** Parameters that belong to the frame and travel with every link. */
const FRAME = ["range", "from", "to", "refresh"] as const;

export type Parameters = Record<string, string | null | undefined>;

const current = signal(new URL(location.href));

/** Parameters of the address, decoded. */
export const parameters = computed(() => current.value.searchParams);

/** The page the address names. */
export const route = computed<Route>(() => parse(current.value.pathname));

function decoded(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}

/** A path of the page as a route. A service's name may hold slashes; its exchanges are a page of their own. */
export function parse(pathname: string): Route {
  const path = pathname.replace(/\/+$/, "");
  if (path === "" || path === "/services" || path === "/index.html") return { page: "services" };
  if (path.startsWith("/services/")) return { page: "service", name: decoded(path.slice("/services/".length)) };
  if (path === "/compare") return { page: "compare" };
  if (path === "/topology") return { page: "topology" };
  if (path === "/exchanges") return { page: "exchanges" };
  if (path.startsWith("/exchanges/")) return { page: "exchange", id: decoded(path.slice("/exchanges/".length)) };
  if (path === "/nodes") return { page: "nodes" };
  return { page: "unknown", path: pathname };
}

/** Query text with `/`, `:`, `*` and `,` left readable: they are legal there and filters are full of them. */
function query(entries: Iterable<[string, string]>): string {
  const pairs = Array.from(entries, ([key, value]) => `${encodeURIComponent(key)}=${encodeURIComponent(value)}`);
  const joined = pairs.join("&").replace(/%(2F|3A|2A|2C)/gi, (escape) => decodeURIComponent(escape));
  return joined === "" ? "" : `?${joined}`;
}

/** Address of another page: the frame's parameters stay, `own` is added, null and empty values are left out. */
export function href(path: string, own: Parameters = {}): string {
  const kept = new Map<string, string>();
  for (const name of FRAME) {
    const value = parameters.value.get(name);
    if (value !== null) kept.set(name, value);
  }
  for (const [name, value] of Object.entries(own)) {
    if (value === null || value === undefined || value === "") kept.delete(name);
    else kept.set(name, value);
  }
  return path + query(kept);
}

/** Address of this page with some parameters changed; null removes one. */
export function changed(changes: Parameters): string {
  return href(current.value.pathname, { ...Object.fromEntries(parameters.value), ...changes });
}

/** Address of a service's page. */
export function serviceHref(name: string): string {
  return href(`/services/${encodeURIComponent(name)}`);
}

/** Address of an endpoint's page; `endpoint` is `METHOD:path`. */
export function endpointHref(service: string, endpoint: string): string {
  return href(`/services/${encodeURIComponent(service)}`, { endpoint });
}

/** Address of the comparison of a service's endpoints. */
export function compareHref(service: string): string {
  return href("/compare", { service });
}

/** Address of an exchange's page. */
export function exchangeHref(id: string): string {
  return href(`/exchanges/${encodeURIComponent(id)}`);
}

/** What a step of the history remembers. */
interface Place {
  /** Where the reader had scrolled to when leaving. */
  scroll: number;
  /** Steps taken inside the page before this one: 0 means that "back" would leave rover. */
  depth: number;
}

function place(): Place {
  return { scroll: 0, depth: 0, ...(history.state as Partial<Place> | null) };
}

/** Moves to an address of this page. `replace` for changes that are no step back for the reader (typing, sorting). */
export function go(address: string, { replace = false } = {}): void {
  const next = new URL(address, location.href);
  if (next.href === current.value.href) return;
  const isSamePage = next.pathname === current.value.pathname;
  if (replace) {
    history.replaceState(history.state, "", next);
  } else {
    const { depth } = place();
    history.replaceState({ depth, scroll: window.scrollY } satisfies Place, "", location.href);
    history.pushState({ depth: depth + 1, scroll: 0 } satisfies Place, "", next);
  }
  current.value = next;
  if (!isSamePage) window.scrollTo(0, 0);
}

/** Steps back if this page was reached from another one of rover's, else goes to `parent`. */
export function back(parent: string): void {
  if (place().depth > 0) history.back();
  else go(parent);
}

function isPlainClick(event: MouseEvent): boolean {
  return event.button === 0 && !(event.defaultPrevented || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey);
}

/** Follows the browser's own back and forward, and turns clicks on links of this page into moves without a reload. */
export function listen(): void {
  history.scrollRestoration = "manual";
  addEventListener("popstate", () => {
    current.value = new URL(location.href);
    const { scroll } = place();
    // Two frames later the page has drawn itself: only then it is tall enough to scroll.
    requestAnimationFrame(() => requestAnimationFrame(() => window.scrollTo(0, scroll)));
  });
  addEventListener("click", (event) => {
    // Of HTML or of SVG: the latter's `href` is no text.
    const link = (event.target as Element | null)?.closest("a[href]");
    const address = link?.getAttribute("href");
    if (!isPlainClick(event) || link === null || link === undefined || address === null || address === undefined) return;
    const to = new URL(address, location.href);
    if ((link.getAttribute("target") ?? "") !== "" || link.hasAttribute("download") || to.origin !== location.origin) return;
    if (to.pathname.startsWith("/api/") || address.startsWith("#")) return;
    event.preventDefault();
    go(to.href);
  });
}
