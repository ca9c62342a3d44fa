/**
 * The keyboard: one listener, and pages that add keys while they are shown. The one added last is asked first.
 * Keys never fire while someone types, but for Escape, which then only leaves the field.
 */
import { useLayoutEffect, useRef } from "preact/hooks";

/** Returns false to leave the key to the next one asked. */
export type Keys = Record<string, (event: KeyboardEvent) => unknown>;

const stack: Keys[] = [];

function isTyping(target: EventTarget | null): target is HTMLElement {
  return target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName));
}

function onKeyDown(event: KeyboardEvent): void {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
  if (isTyping(event.target)) {
    if (event.key === "Escape") event.target.blur();
    return;
  }
  // An open dialog has the keyboard for itself.
  if (document.querySelector("dialog[open]") !== null) return;
  for (const keys of stack.toReversed()) {
    const act = keys[event.key];
    if (act !== undefined && act(event) !== false) {
      event.preventDefault();
      return;
    }
  }
}

/** Starts the one listener. */
export function listen(): void {
  addEventListener("keydown", onKeyDown);
}

/** Adds keys while the component is shown. */
export function useKeys(keys: Keys): void {
  const latest = useRef(keys);
  latest.current = keys;
  // Before the first drawing is seen: whoever sees the page may already press a key.
  useLayoutEffect(() => {
    // Looks each key up at the time of the stroke, so that handlers see the present state.
    const current = new Proxy<Keys>({}, { get: (_, key) => latest.current[String(key)] });
    stack.push(current);
    return () => {
      stack.splice(stack.indexOf(current), 1);
    };
  }, []);
}
