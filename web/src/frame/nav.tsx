/** The left navigation; a bar at the bottom edge on narrow screens. Only pages that exist. */
import { href, route } from "../address";
import { Icon, type IconName } from "../parts/icon";

const ENTRIES: readonly { path: string; name: string; icon: IconName; pages: readonly string[] }[] = [
  { path: "/services", name: "Services", icon: "services", pages: ["services", "service"] },
  { path: "/topology", name: "Topology", icon: "topology", pages: ["topology"] },
  { path: "/exchanges", name: "Exchanges", icon: "exchanges", pages: ["exchanges", "exchange"] },
  { path: "/compare", name: "Compare", icon: "compare", pages: ["compare"] },
  { path: "/nodes", name: "Nodes", icon: "nodes", pages: ["nodes"] },
];

export function Brand() {
  return (
    <a class="brand" href={href("/services")} aria-label="rover, to the services">
      <svg viewBox="0 0 32 32" width="26" height="26" aria-hidden="true">
        <rect class="brand-ground" width="32" height="32" rx="8" />
        <path class="brand-line" d="M6.5 18.5h4.2l2.6-8.5 4.6 13 3-7.5h4.6" />
      </svg>
      <span>rover</span>
    </a>
  );
}

export function Nav() {
  return (
    <nav class="nav" aria-label="Pages">
      <Brand />
      <ul>
        {ENTRIES.map((entry) => (
          <li key={entry.path}>
            <a href={href(entry.path)} aria-current={entry.pages.includes(route.value.page) ? "page" : undefined}>
              <Icon name={entry.icon} />
              <span>{entry.name}</span>
            </a>
          </li>
        ))}
      </ul>
    </nav>
  );
}
