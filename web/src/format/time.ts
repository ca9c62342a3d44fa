/** Points in time: shown local with the zone named, exact in UTC on hover. */

const two = (value: number): string => String(value).padStart(2, "0");

/** Fraction digits of an RFC 3339 time, which JavaScript's Date cuts at milliseconds. */
function fraction(rfc3339: string): string {
  return /\.(\d+)/.exec(rfc3339)?.[1] ?? "";
}

/** `14:03:12.482` local; with the date in front when it is not today. */
export function clock(rfc3339: string, now: Date = new Date()): string {
  const at = new Date(rfc3339);
  if (Number.isNaN(at.getTime())) return rfc3339;
  const time = `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
  const milliseconds = `.${String(at.getMilliseconds()).padStart(3, "0")}`;
  return at.toDateString() === now.toDateString() ? time + milliseconds : `${day(at)} ${time}`;
}

/** `2026-11-21` local. */
export function day(at: Date): string {
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
}

/** `2026-11-21 14:03` local: what a time range is made of. */
export function minute(at: Date): string {
  return `${day(at)} ${two(at.getHours())}:${two(at.getMinutes())}`;
}

/** `14:03:12` local. */
export function second(at: Date): string {
  return `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
}

/** `2026-11-21 13:03:12.482113907 UTC`, every digit that was measured. */
export function exact(rfc3339: string): string {
  const at = new Date(rfc3339);
  if (Number.isNaN(at.getTime())) return rfc3339;
  const whole = at.toISOString().slice(0, 19).replace("T", " ");
  const digits = fraction(rfc3339);
  return `${whole}${digits === "" ? "" : `.${digits}`} UTC`;
}

/** The reader's zone as short text: `UTC+2`, `CET`. */
export function zone(at: Date = new Date()): string {
  const parts = new Intl.DateTimeFormat("en", { timeZoneName: "short" }).formatToParts(at);
  return parts.find((part) => part.type === "timeZoneName")?.value ?? "local";
}
