/** The live list of exchanges with its filters. */
import { useEffect, useRef } from "preact/hooks";

import { changed, parameters } from "../address";
import { counted } from "../format/numbers";
import { useKeys } from "../keys";
import { Icon } from "../parts/icon";
import { Empty, Failure, Stale } from "../parts/states";
import { range, rangePhrase, rangeText } from "../range";
import { NothingYet } from "../services/nothing_yet";
import { ColumnsMenu } from "./columns_menu";
import { ExchangeTable } from "./exchange_table";
import { entries, type Filters, fromAddress, toAddress } from "./filter";
import { FilterBar } from "./filter_bar";
import type { LiveList } from "./live";
import { LiveControl } from "./live_control";
import { listFor, toTop, useHolding, useReturn } from "./place";

function Older({ list }: { list: LiveList }) {
  const end = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const watcher = new IntersectionObserver((seen) => {
      if (seen.some((entry) => entry.isIntersecting) && window.scrollY > 0) void list.older();
    });
    if (end.current !== null) watcher.observe(end.current);
    return () => watcher.disconnect();
  }, [list, list.rows.value.length]);
  if (list.next.value === null) {
    return <p class="list-end muted">That is every one {rangePhrase(range.value)}.</p>;
  }
  return (
    <div ref={end} class="list-end">
      <button type="button" class="button" disabled={list.isLoadingOlder.value} onClick={() => void list.older()}>
        {list.isLoadingOlder.value ? "Loading older ones" : "Load older ones"}
      </button>
    </div>
  );
}

/** What a list leaves out must be said where it is read. */
function Sampled({ oneIn }: { oneIn: number }) {
  return (
    <p class="banner banner-quiet">
      <span>
        Sampled 1 in {oneIn.toLocaleString("en")}: more came than are stored. Failed, slow and rare ones are all here; figures elsewhere are of all.
      </span>
    </p>
  );
}

function Skipped({ list }: { list: LiveList }) {
  return (
    <div class="banner banner-quiet" role="status">
      <span>
        {counted(list.skipped.value, "exchange")} came faster than a live list can follow: stored, but missing between these rows. A narrower
        filter shows all.
      </span>
      <button type="button" class="button" onClick={() => list.renew()}>
        Load the newest
      </button>
    </div>
  );
}

function NoMatch({ filters }: { filters: Filters }) {
  return (
    <Empty title={`No exchange ${rangePhrase(range.value)} passes these filters`}>
      {range.value.kind === "last" && <p>New ones that pass appear here by themselves.</p>}
      <ul class="ways-out">
        {entries(filters).map(([field, value]) => (
          <li key={field}>
            <a href={changed({ [field]: null })}>
              Without{" "}
              <code>
                {field}:{value}
              </code>
            </a>
          </li>
        ))}
        {entries(filters).length > 1 && (
          <li>
            <a href={changed(toAddress({}))}>Without any filter</a>
          </li>
        )}
        {range.value.kind === "last" && range.value.seconds < 86_400 && (
          <li>
            <a href={changed({ range: "24h" })}>In the last 24 hours</a>
          </li>
        )}
      </ul>
    </Empty>
  );
}

function List({ list, filters }: { list: LiveList; filters: Filters }) {
  const error = list.error.value;
  const rows = list.rows.value;
  const retry = (): void => list.reload();
  if (!list.isLoaded.value && error !== null) return <Failure what="the exchanges" error={error} retryAt={list.retryAt.value} retry={retry} />;
  const since = list.brokenSince.value;
  return (
    <>
      {since !== null && list.link.value === "lost" && <Stale since={since} error={error} retryAt={list.retryAt.value} retry={retry} />}
      {list.isLoaded.value && rows.length === 0 ? (
        entries(filters).length > 0 ? <NoMatch filters={filters} /> : <NothingYet title={`No HTTP exchange ${rangePhrase(range.value)}`} />
      ) : (
        <>
          {list.waiting.value > 0 && !list.isPaused.value && (
            <button type="button" class="new-pill" onClick={() => toTop(list)}>
              <Icon name="up" />
              {list.waiting.value}
              {list.hasMoreWaiting ? "+" : ""} new
            </button>
          )}
          {list.skipped.value > 0 && <Skipped list={list} />}
          {list.sampledOneIn.value !== null && <Sampled oneIn={list.sampledOneIn.value} />}
          <ExchangeTable rows={list.isLoaded.value ? rows : null} fresh={list.fresh.value} caption={`Exchanges, newest first; ${rangeText(range.value)}`} />
          {list.isLoaded.value && <Older list={list} />}
        </>
      )}
    </>
  );
}

export function ExchangesPage() {
  const filters = fromAddress(parameters.value);
  const list = listFor(filters);
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => {
    // Browsers allow few connections per server; a hidden page gives its stream up and catches up when it is seen.
    const onVisible = (): void => (document.hidden ? list.stop() : list.start());
    onVisible();
    document.addEventListener("visibilitychange", onVisible);
    return () => {
      document.removeEventListener("visibilitychange", onVisible);
      list.stop();
    };
  }, [list]);
  useHolding(list);
  useReturn();
  useKeys({
    f: () => input.current?.focus(),
    p: () => (list.isPaused.value ? toTop(list) : list.pause()),
  });
  return (
    <section class="page" aria-busy={!list.isLoaded.value}>
      <header class="page-head">
        <h1>Exchanges</h1>
        <div class="page-tools">
          <LiveControl list={list} />
          <ColumnsMenu />
        </div>
      </header>
      <FilterBar input={input} />
      <List list={list} filters={filters} />
    </section>
  );
}
