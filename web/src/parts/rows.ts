/**
 * Rows of any table, by mouse and by key. A row is an element with `data-row` and holds one `.row-link`, which leads to what
 * the row stands for. The row whose link has the focus is the chosen one: there is no other state.
 */
import { go } from "../address";

/** A click anywhere on a row that is not on a link of its own, and does not end a text selection, opens the row. */
export function openRow(event: MouseEvent, address: string): void {
  const isOwn = event.target instanceof Element && event.target.closest("a, button") !== null;
  if (isOwn || event.button !== 0 || String(getSelection()) !== "") return;
  if (event.metaKey || event.ctrlKey) open(address, "_blank", "noopener");
  else go(address);
}

/** Rows on the screen, each with its link: what j and k walk through. */
function rowLinks(): HTMLElement[] {
  return Array.from(document.querySelectorAll<HTMLElement>("[data-row] .row-link"));
}

/** Moves the focus `step` rows on; from nowhere to the first row. The focused row is the chosen one: no other state. */
export function moveRow(step: 1 | -1): void {
  const links = rowLinks();
  const at = links.findIndex((link) => link.closest("[data-row]")?.contains(document.activeElement) === true);
  const next = links[at < 0 ? 0 : Math.min(links.length - 1, Math.max(0, at + step))];
  next?.focus({ preventScroll: true });
  next?.closest("[data-row]")?.scrollIntoView({ block: "nearest" });
}

/** Takes the focus off a row; false if none had it. */
export function leaveRow(): boolean {
  const active = document.activeElement;
  if (!(active instanceof HTMLElement) || active.closest("[data-row]") === null) return false;
  active.blur();
  return true;
}
