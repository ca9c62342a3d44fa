/** Not losing one's place: the list outlives its page, stands still under the reader, and the way back ends on the row that was opened. */
import { useEffect } from "preact/hooks";

import { range, rangeKey } from "../range";
import { type Filters, text as filterText } from "./filter";
import { LiveList } from "./live";

/** The list last shown. Kept across pages, so that the way back from an exchange leads to the same rows at the same place. */
let kept: { key: string; list: LiveList } | null = null;

/** The list last shown, for the exchange page's way to the next and previous one. */
export function keptList(): LiveList | null {
  return kept?.list ?? null;
}

/** The list for these filters and the present range: the kept one if it is that. */
export function listFor(filters: Filters): LiveList {
  const key = `${filterText(filters)} ${rangeKey.value}`;
  if (kept?.key !== key) {
    kept?.list.stop();
    kept = { key, list: new LiveList(filters, range.value) };
  }
  return kept.list;
}

/** Holds the list while the reader is somewhere in it: scrolled down, or on a row. */
export function useHolding(list: LiveList): void {
  useEffect(() => {
    const update = (): void => {
      const isOnRow = (document.activeElement?.closest("[data-row]") ?? null) !== null;
      if (isOnRow || window.scrollY > 8) list.hold();
      else list.release();
    };
    // Before a click is complete the row must not move away from under it.
    const press = (event: Event): void => {
      if (event.target instanceof Element && event.target.closest("[data-row]") !== null) list.hold();
    };
    // The focus has not yet arrived at its new place when `focusout` fires.
    const later = (): void => void requestAnimationFrame(update);
    const onPointerUp = (): void => void setTimeout(update, 300);
    addEventListener("scroll", update, { passive: true });
    addEventListener("pointerdown", press);
    addEventListener("pointerup", onPointerUp);
    addEventListener("focusin", update);
    addEventListener("focusout", later);
    return () => {
      removeEventListener("scroll", update);
      removeEventListener("pointerdown", press);
      removeEventListener("pointerup", onPointerUp);
      removeEventListener("focusin", update);
      removeEventListener("focusout", later);
    };
  }, [list]);
}

/** To the top of the list, and on with what has waited. */
export function toTop(list: LiveList): void {
  if (document.activeElement instanceof HTMLElement) document.activeElement.blur();
  window.scrollTo(0, 0);
  list.resume();
}

/** Puts the focus back on the row that was opened, without scrolling: the address restores the place. */
export function useReturn(): void {
  useEffect(() => {
    const id = lastOpened;
    if (id === null) return;
    lastOpened = null;
    document.querySelector<HTMLElement>(`[data-id="${CSS.escape(id)}"] .row-link`)?.focus({ preventScroll: true });
  }, []);
}

let lastOpened: string | null = null;

/** Remembers which exchange is shown, so that the way back ends on its row. */
export function noteOpened(id: string): void {
  lastOpened = id;
}
