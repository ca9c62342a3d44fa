/** Figures as people read them: three significant digits and always a unit. A number and its unit never part. */

/** Narrow no-break space. */
const THIN = "\u202f";

/** A figure and its unit, apart so that a table can mute the unit. */
export interface Quantity {
  value: string;
  unit: string;
}

/** One string of a quantity: `3.20 ms`. */
export function text(quantity: Quantity): string {
  return quantity.unit === "" ? quantity.value : `${quantity.value}${THIN}${quantity.unit}`;
}

/** Three significant digits, thousands grouped, whole numbers below 1000 left whole where `isCount`. */
function digits(value: number, isCount = false): string {
  if (isCount && Number.isInteger(value) && Math.abs(value) < 1000) return String(value);
  const magnitude = Math.abs(value);
  if (magnitude === 0) return "0";
  if (magnitude >= 99.95) return String(Math.round(value));
  return value.toFixed(magnitude >= 9.995 ? 1 : 2);
}

/** Picks the largest unit in which the value still rounds to at least 1. `steps` holds sizes, ascending. */
function scaled(value: number, steps: readonly (readonly [number, string])[], isCount = false): Quantity {
  let chosen = steps[0] ?? [1, ""];
  for (const step of steps) {
    // 999.5 of a unit would print as 1000: that is the next unit's business.
    if (Math.abs(value) >= step[0] * 0.9995) chosen = step;
  }
  return { value: digits(value / chosen[0], isCount && chosen[0] === 1), unit: chosen[1] };
}

const DURATIONS = [
  [1, "ns"],
  [1e3, "µs"],
  [1e6, "ms"],
  [1e9, "s"],
  [6e11, "min"],
  [3.6e12, "h"],
  [8.64e13, "d"],
] as const;

/** Nanoseconds as `412 µs`, `3.20 ms`, `1.04 s`; up to ten minutes in seconds, because that is how people compare. */
export function duration(ns: number): Quantity {
  const quantity = scaled(ns, DURATIONS, true);
  // The step to minutes lies at 600 s, the unit's own size is 60 s.
  return quantity.unit === "min" ? { value: digits(ns / 6e10), unit: "min" } : quantity;
}

const BYTES = [
  [1, "B"],
  [2 ** 10, "KiB"],
  [2 ** 20, "MiB"],
  [2 ** 30, "GiB"],
  [2 ** 40, "TiB"],
] as const;

/** Bytes in binary units: `12.4 KiB`. */
export function bytes(size: number): Quantity {
  return scaled(size, BYTES, true);
}

/** Bytes per second: `1.20 MiB/s`. */
export function throughput(perSecond: number): Quantity {
  const { value, unit } = scaled(perSecond, BYTES);
  return { value, unit: `${unit}/s` };
}

const COUNTS = [
  [1, ""],
  [1e3, "k"],
  [1e6, "M"],
  [1e9, "G"],
] as const;

/** Calls per minute: `12.4 /min`, `1.24 k/min`. */
export function perMinute(calls: number): Quantity {
  const { value, unit } = scaled(calls, COUNTS);
  return { value, unit: `${unit}/min` };
}

/** A count in full, grouped: `182 934`. */
export function count(value: number): string {
  return String(Math.round(value)).replace(/\B(?=(\d{3})+(?!\d))/g, THIN);
}

/** A count and its noun: `1 record`, `2 records`. */
export function counted(value: number, noun: string): string {
  return `${count(value)} ${noun}${value === 1 ? "" : "s"}`;
}

/**
 * A share as percent. Never rounded up to 100 % nor down to 0 %: a reader must be able to trust both ends.
 * 0.99996 gives `99.99 %`, 0.00001 gives `< 0.01 %`.
 */
export function share(part: number): Quantity {
  if (part >= 1) return { value: "100", unit: "%" };
  if (part <= 0) return { value: "0", unit: "%" };
  if (part < 0.0001) return { value: "<\u202f0.01", unit: "%" };
  const percent = part * 100;
  if (percent >= 99.9) return { value: (Math.floor(percent * 100) / 100).toFixed(2), unit: "%" };
  return { value: percent >= 99.5 ? percent.toFixed(1) : digits(percent), unit: "%" };
}
