/** One figure with its unit, or `–` with the reason why it is not known. */
import type { ComponentChildren } from "preact";

import type { Quantity } from "../format/numbers";

export function Figure({ of, why, title }: { of: Quantity | null; why: string; title?: string | undefined }) {
  if (of === null) return <Unknown why={why} />;
  return (
    <span class="figure" title={title}>
      {of.value}
      {of.unit !== "" && <span class="unit">{`\u202f${of.unit}`}</span>}
    </span>
  );
}

/** A value nobody measured: never 0, never a guess. */
export function Unknown({ why }: { why: string }) {
  return (
    <span class="unknown" title={why}>
      <span aria-hidden="true">–</span>
      <span class="spoken">unknown: {why}</span>
    </span>
  );
}

/** The quantity of a measured value, null for one that was not measured. */
export function measured(value: number | null | undefined, show: (value: number) => Quantity): Quantity | null {
  return value === null || value === undefined ? null : show(value);
}

/** Names and values of one thing, as a two-column list of `Fact`s. */
export function Facts({ children }: { children: ComponentChildren }) {
  return <dl class="facts">{children}</dl>;
}

/** One of `Facts`. Without a value it is left out: what does not apply is not unknown. */
export function Fact({ name, children }: { name: string; children: ComponentChildren }) {
  if (children === null || children === undefined || children === "") return null;
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}
