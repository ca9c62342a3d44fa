/** The frame around every page, and which page the address asks for. */
import { useEffect, useRef } from "preact/hooks";

import { back, href, route } from "./address";
import { ComparePage } from "./compare/compare_page";
import { ExchangePage } from "./exchanges/exchange_page";
import { ExchangesPage } from "./exchanges/exchanges_page";
import { Help } from "./frame/help";
import { LedgerLight } from "./frame/ledger_light";
import { Brand, Nav } from "./frame/nav";
import { RangeMenu, RefreshMenu } from "./frame/range_menu";
import { Search } from "./frame/search";
import { ThemeToggle } from "./frame/theme";
import { useKeys } from "./keys";
import { NodesPage } from "./nodes/nodes_page";
import { Icon } from "./parts/icon";
import { leaveRow, moveRow } from "./parts/rows";
import { Empty } from "./parts/states";
import { ServicePage } from "./services/service_page";
import { ServicesPage } from "./services/services_page";
import { TopologyPage } from "./topology/topology_page";

function Page() {
  const at = route.value;
  switch (at.page) {
    case "services":
      return <ServicesPage />;
    case "service":
      return <ServicePage key={at.name} name={at.name} />;
    case "topology":
      return <TopologyPage />;
    case "compare":
      return <ComparePage />;
    case "exchanges":
      return <ExchangesPage />;
    case "exchange":
      return <ExchangePage key={at.id} id={at.id} />;
    case "nodes":
      return <NodesPage />;
    case "unknown":
      return (
        <Empty title="There is no such page">
          <p>
            <code>{at.path}</code> leads nowhere. <a href={href("/services")}>Go to the services</a>
          </p>
        </Empty>
      );
  }
}

/** The page above the present one. */
function parent(): string {
  const { page } = route.value;
  return href(page === "exchange" ? "/exchanges" : "/services");
}

function title(): string {
  const at = route.value;
  if (at.page === "service") return `${at.name} · rover`;
  if (at.page === "exchange") return "Exchange · rover";
  if (at.page === "unknown") return "rover";
  return `${at.page.charAt(0).toUpperCase()}${at.page.slice(1)} · rover`;
}

export function App() {
  const search = useRef<HTMLInputElement>(null);
  const range = useRef<HTMLButtonElement>(null);
  const help = useRef<HTMLDialogElement>(null);

  useKeys({
    "/": () => search.current?.focus(),
    t: () => range.current?.click(),
    "?": () => help.current?.showModal(),
    j: () => moveRow(1),
    k: () => moveRow(-1),
    Escape: () => {
      if (!leaveRow() && route.value.page !== "services") back(parent());
    },
  });

  const name = title();
  useEffect(() => {
    document.title = name;
  }, [name]);

  return (
    <div class="frame">
      <a class="skip" href="#content">
        Skip to the content
      </a>
      <Nav />
      <header class="topbar">
        <Brand />
        <Search input={search} />
        <div class="topbar-tools">
          <LedgerLight />
          <RangeMenu opener={range} />
          <RefreshMenu />
          <ThemeToggle />
          <button type="button" class="button button-quiet topbar-help" aria-label="Help (?)" title="Help (?)" onClick={() => help.current?.showModal()}>
            <Icon name="help" />
          </button>
        </div>
      </header>
      <main id="content" tabIndex={-1}>
        <Page />
      </main>
      <Help dialog={help} />
    </div>
  );
}
