import { expect, test } from "vitest";

import { bytes, count, duration, perMinute, share, text, throughput } from "../src/format/numbers";

/** Thin no-break spaces as plain ones, to be readable here. */
const plain = (shown: string): string => shown.replaceAll("\u202f", " ");

test.each([
  [0, "0 ns"],
  [7, "7 ns"],
  [999, "999 ns"],
  [1000, "1.00 µs"],
  [412_000, "412 µs"],
  [412_499, "412 µs"],
  [3_200_000, "3.20 ms"],
  [41_230_000, "41.2 ms"],
  [1_040_000_000, "1.04 s"],
  [75_000_000_000, "75.0 s"],
  [600_000_000_000, "10.0 min"],
  [7_200_000_000_000, "2.00 h"],
])("a duration of %d ns has three digits and a unit", (ns, shown) => {
  expect(plain(text(duration(ns)))).toBe(shown);
});

test.each([
  [999_700, "1.00 ms"],
  [9_996_000, "10.0 ms"],
  [99_960_000, "100 ms"],
  [999_600_000, "1.00 s"],
])("%d ns is rounded into the next unit, never to four digits", (ns, shown) => {
  expect(plain(text(duration(ns)))).toBe(shown);
});

test.each([
  [0, "0 B"],
  [812, "812 B"],
  [1023, "1023 B"],
  [1024, "1.00 KiB"],
  [12_700, "12.4 KiB"],
  [1_048_576, "1.00 MiB"],
])("%d bytes are shown in binary units", (size, shown) => {
  expect(plain(text(bytes(size)))).toBe(shown);
});

test("rates carry their time", () => {
  expect(plain(text(perMinute(12.4)))).toBe("12.4 /min");
  expect(plain(text(perMinute(1240)))).toBe("1.24 k/min");
  expect(plain(text(throughput(1.2 * 2 ** 20)))).toBe("1.20 MiB/s");
});

test.each([
  [1, "100 %"],
  [0.99996, "99.99 %"],
  [0.999_999_9, "99.99 %"],
  [0.9981, "99.8 %"],
  [0.921, "92.1 %"],
  [0.0402, "4.02 %"],
  [0.000_01, "< 0.01 %"],
  [0, "0 %"],
])("a share of %d is never rounded to an end it has not reached", (part, shown) => {
  expect(plain(text(share(part)))).toBe(shown);
});

test("counts are grouped by thousands", () => {
  expect(plain(count(182_934))).toBe("182 934");
  expect(count(12)).toBe("12");
});
