/**
 * Filters of the exchange list as text (`service:cart status:5xx slower:200ms path:/api/*`), as parameters of the
 * address and as parameters of the API: the same seven names everywhere.
 */

export const FIELDS = ["service", "method", "path", "status", "slower", "side", "peer"] as const;
export type Field = (typeof FIELDS)[number];

/** What is set; a field that is absent does not filter. */
export type Filters = Partial<Record<Field, string>>;

/** For suggestions and the help page: what a field takes. */
export const FIELD_HELP: Record<Field, { takes: string; examples: readonly string[] }> = {
  service: { takes: "a service by name", examples: [] },
  method: { takes: "a method, as sent", examples: ["GET", "POST", "PUT", "DELETE", "HEAD", "PATCH"] },
  path: { takes: "a path; * stands for anything, ? for one character", examples: ["/api/*"] },
  status: { takes: "a status or a class, several with commas", examples: ["5xx", "4xx", "404", "2xx", "3xx"] },
  slower: { takes: "a duration: what took at least that", examples: ["100ms", "200ms", "1s", "10ms"] },
  side: { takes: "the observed end of the connection", examples: ["server", "client"] },
  peer: { takes: "who is at the other end: a service by name, or an address", examples: [] },
};

/** One word of the filter text that could not be understood, with a sentence that says why. */
export interface Misread {
  word: string;
  reason: string;
}

const STATUS = /^[1-9](\d\d|xx)(,[1-9](\d\d|xx)){0,7}$/i;
const DURATION = /^\d+(\.\d+)?(ns|us|µs|ms|s|m)$/;
const METHOD = /^(GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS|CONNECT|TRACE)$/;

function isField(name: string): name is Field {
  return (FIELDS as readonly string[]).includes(name);
}

/** Splits at white space outside double quotes and takes the quotes away. */
function words(typed: string): string[] {
  return Array.from(typed.matchAll(/(?:[^\s"]|"[^"]*"?)+/g), (match) => match[0].replace(/"/g, ""));
}

/** Why a value does not fit its field; null if it does. */
export function complaint(field: Field, value: string): string | null {
  if (value === "") return `${field}: needs a value: ${FIELD_HELP[field].takes}`;
  if (field === "status" && !STATUS.test(value)) return `status: takes codes like 404 and classes like 5xx, not “${value}”`;
  if (field === "slower" && !DURATION.test(value)) return `slower: takes a duration like 200ms or 1.5s, not “${value}”`;
  if (field === "side" && value !== "server" && value !== "client") return `side: takes server or client, not “${value}”`;
  return null;
}

/** A bare word, by its looks: `5xx`, `>200ms`, `GET`, `/api/*`; everything else is looked for within paths. */
function guess(bare: string): [Field, string] {
  if (STATUS.test(bare)) return ["status", bare.toLowerCase()];
  if (METHOD.test(bare)) return ["method", bare];
  const slower = bare.replace(/^>=?/, "");
  if (DURATION.test(slower)) return ["slower", slower];
  if (bare.includes("*")) return ["path", bare];
  return ["path", bare.startsWith("/") ? `${bare}*` : `*${bare}*`];
}

/** Filter text as filters. A field named twice keeps its last value. */
export function parse(typed: string): { filters: Filters; misread: Misread[] } {
  const filters: Filters = {};
  const misread: Misread[] = [];
  for (const one of words(typed)) {
    const named = /^([a-z_]+):(.*)$/i.exec(one);
    const name = named?.[1]?.toLowerCase() ?? "";
    if (named !== null && !isField(name)) {
      misread.push({ word: one, reason: `“${name}” is no filter; there are ${FIELDS.join(", ")}` });
      continue;
    }
    const [field, value] = named !== null && isField(name) ? [name, named[2] ?? ""] : guess(one);
    const reason = complaint(field, value);
    if (reason === null) filters[field] = field === "status" ? value.toLowerCase() : value;
    else misread.push({ word: one, reason });
  }
  return { filters, misread };
}

/** One filter as its word of the text. */
export function word(field: Field, value: string): string {
  return /[\s"]/.test(value) ? `${field}:"${value}"` : `${field}:${value}`;
}

/** Filters as text, in the fixed order of the fields. */
export function text(filters: Filters): string {
  return entries(filters)
    .map(([field, value]) => word(field, value))
    .join(" ");
}

/** Set filters in the fixed order of the fields. */
export function entries(filters: Filters): [Field, string][] {
  return FIELDS.flatMap((field): [Field, string][] => {
    const value = filters[field];
    return value === undefined || value === "" ? [] : [[field, value]];
  });
}

/** Filters of an address. */
export function fromAddress(query: URLSearchParams): Filters {
  const filters: Filters = {};
  for (const field of FIELDS) {
    const value = query.get(field);
    if (value !== null && value !== "") filters[field] = value;
  }
  return filters;
}

/** Parameters that make an address carry exactly these filters: absent fields are removed from it. */
export function toAddress(filters: Filters): Record<Field, string | null> {
  const every = FIELDS.map((field): [Field, string | null] => [field, filters[field] ?? null]);
  return Object.fromEntries(every) as Record<Field, string | null>;
}

/** Nanoseconds as a value for `slower:` that does not exclude the figure itself: rounded down to three digits. */
export function slowerThan(ns: number): string {
  const [size, unit] = ns >= 1e9 ? [1e9, "s"] : ns >= 1e6 ? [1e6, "ms"] : [1e3, "us"];
  const value = ns / size;
  const places = value >= 100 ? 0 : value >= 10 ? 1 : 2;
  return `${(Math.floor(value * 10 ** places) / 10 ** places).toFixed(places)}${unit}`;
}
