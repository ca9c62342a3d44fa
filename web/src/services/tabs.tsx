/** The parts of a page, each with an address of its own. */
import { changed } from "../address";

export interface Tab {
  key: string;
  name: string;
}

/** `first` is what an address without `tab` shows. */
export function Tabs({ tabs, now, first }: { tabs: readonly Tab[]; now: string; first: string }) {
  return (
    <nav class="tabs" aria-label="Parts of this page">
      {tabs.map(({ key, name }) => (
        <a key={key} href={changed({ tab: key === first ? null : key })} aria-current={key === now ? "page" : undefined}>
          {name}
        </a>
      ))}
    </nav>
  );
}
