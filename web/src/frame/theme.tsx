/** Light, dark, or as the system says. Kept in the browser: it is about the reader, not about the data. */
import { signal } from "@preact/signals";

import { Icon, type IconName } from "../parts/icon";

type Theme = "system" | "light" | "dark";

/** public/theme.js reads the same key before the first paint. */
const KEY = "rover.theme";
const NEXT: Record<Theme, Theme> = { system: "light", light: "dark", dark: "system" };
const ICON: Record<Theme, IconName> = { system: "system", light: "sun", dark: "moon" };
const NAME: Record<Theme, string> = { system: "as the system", light: "light", dark: "dark" };

function stored(): Theme {
  const theme = document.documentElement.dataset["theme"];
  return theme === "light" || theme === "dark" ? theme : "system";
}

const theme = signal<Theme>(stored());

function choose(next: Theme): void {
  theme.value = next;
  if (next === "system") delete document.documentElement.dataset["theme"];
  else document.documentElement.dataset["theme"] = next;
  try {
    localStorage.setItem(KEY, next);
  } catch {
    // Storage is refused: the choice holds until the page is closed.
  }
}

export function ThemeToggle() {
  const now = theme.value;
  const name = `Theme: ${NAME[now]}. Change to ${NAME[NEXT[now]]}`;
  return (
    <button type="button" class="button button-quiet" aria-label={name} title={name} onClick={() => choose(NEXT[now])}>
      <Icon name={ICON[now]} />
    </button>
  );
}
