/** A button that opens a panel below itself. Closes on Escape, on a click outside and when the focus leaves. */
import type { ComponentChildren, RefObject } from "preact";
import { useLayoutEffect, useRef, useState } from "preact/hooks";

export interface MenuProps {
  /** Content of the button. */
  label: ComponentChildren;
  /** What the content is, for a screen reader and the tooltip, where the content does not say it. */
  name?: string;
  /** The key that opens it, for the tooltip. */
  hotkey?: string;
  class?: string;
  align?: "left" | "right";
  /** Gives the page a way to open the menu by key. */
  opener?: RefObject<HTMLButtonElement | null> | undefined;
  children: (close: () => void) => ComponentChildren;
}

export function Menu({ label, name, hotkey, class: style = "button", align = "right", opener, children }: MenuProps) {
  const [isOpen, setOpen] = useState(false);
  const root = useRef<HTMLDivElement>(null);
  const own = useRef<HTMLButtonElement>(null);
  const button = opener ?? own;

  const close = (): void => {
    setOpen(false);
    button.current?.focus();
  };

  // With the drawing that opens it, so that the next key finds the focus inside.
  useLayoutEffect(() => {
    if (!isOpen) return undefined;
    const panel = root.current?.querySelector(".menu-panel");
    (panel?.querySelector<HTMLElement>("[aria-pressed=true]") ?? panel?.querySelector<HTMLElement>("button, input, a"))?.focus();
    const outside = (event: Event): void => {
      if (event.target instanceof Node && root.current?.contains(event.target) === false) setOpen(false);
    };
    document.addEventListener("pointerdown", outside);
    document.addEventListener("focusin", outside);
    return () => {
      document.removeEventListener("pointerdown", outside);
      document.removeEventListener("focusin", outside);
    };
  }, [isOpen]);

  const onKeyDown = (event: KeyboardEvent): void => {
    if (!isOpen) return;
    if (event.key === "Escape") {
      event.stopPropagation();
      close();
    } else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      const items = Array.from(root.current?.querySelectorAll<HTMLElement>(".menu-panel .menu-item") ?? []);
      const at = items.indexOf(document.activeElement as HTMLElement);
      const next = items.at((at + (event.key === "ArrowDown" ? 1 : -1)) % items.length);
      if (next !== undefined) {
        event.preventDefault();
        next.focus();
      }
    }
  };

  const title = hotkey === undefined ? name : `${name ?? ""} (${hotkey})`;

  return (
    // The keys belong to the buttons inside; the wrapper only listens.
    // oxlint-disable-next-line jsx-a11y/no-static-element-interactions
    <div class="menu" ref={root} onKeyDown={onKeyDown}>
      <button ref={button} type="button" class={style} aria-expanded={isOpen} title={title} onClick={() => setOpen(!isOpen)}>
        {name !== undefined && <span class="spoken">{name}: </span>}
        {label}
      </button>
      {isOpen && <div class={`menu-panel menu-${align}`}>{children(close)}</div>}
    </div>
  );
}

/** One choice of a menu; `isChosen` marks the present one. */
export function MenuItem({ isChosen, onClick, children }: { isChosen: boolean; onClick: () => void; children: ComponentChildren }) {
  return (
    <button type="button" class="menu-item" aria-pressed={isChosen} onClick={onClick}>
      <span class="menu-mark" aria-hidden="true">
        {isChosen ? "✓" : ""}
      </span>
      {children}
    </button>
  );
}
