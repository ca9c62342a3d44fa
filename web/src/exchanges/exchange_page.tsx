/** One exchange in full. */
import type { ComponentChildren } from "preact";
import { useEffect } from "preact/hooks";

import { exchangeHref, go, href } from "../address";
import { exchange as fetchExchange, partner as fetchPartner } from "../api/client";
import { usePolled } from "../api/polled";
import type { Exchange } from "../api/types";
import { bytes, count, duration, text } from "../format/numbers";
import { clock, exact, zone } from "../format/time";
import { useKeys } from "../keys";
import { CopyButton } from "../parts/copy";
import { Fact, Figure, measured } from "../parts/figure";
import { Icon } from "../parts/icon";
import { Failure } from "../parts/states";
import { Tile } from "../parts/tile";
import { alikeHref, ConnectionFacts, EndFacts, GrpcFacts, MessageFacts, TraceFacts, whyNoMessage } from "./facts";
import { Kind, Status } from "./labels";
import { keptList, noteOpened } from "./place";
import { curl, endName, ends, FLAG_MEANING, isDoubtful, queryText, whyUnanswered } from "./record";
import { Waterfall } from "./waterfall";

function Card({ title, mark, children }: { title: string; mark?: string | false; children: ComponentChildren }) {
  return (
    <section class="card">
      <h2>
        {title}
        {mark && <span class="flag">{mark}</span>}
      </h2>
      {children}
    </section>
  );
}

/** The line that says it all. */
function Headline({ of }: { of: Exchange }) {
  const { from, to } = ends(of);
  return (
    <header class="headline">
      <h1>
        <span class="method">{of.method ?? "–"}</span>
        <span class="path">
          <span class="host">{of.host ?? ""}</span>
          {of.path ?? "–"}
          <span class="host">{queryText(of)}</span>
        </span>
      </h1>
      <p>
        <Status of={of} isLarge />
        {of.duration_ns === null ? (
          <span>{whyUnanswered(of).replace(/\.$/, "").toLowerCase()}</span>
        ) : (
          <span>
            in <strong>{text(duration(of.duration_ns))}</strong>
          </span>
        )}
        <span>
          from <strong>{endName(from)}</strong> to <strong>{endName(to)}</strong>
        </span>
        <span class="muted">
          at{" "}
          <time dateTime={of.time} title={exact(of.time)}>
            {clock(of.time)} {zone(new Date(of.time))}
          </time>
          , seen at the {of.side}
        </span>
        <Kind of={of} />
      </p>
    </header>
  );
}

function FlagList({ flags }: { flags: readonly string[] }) {
  if (flags.length === 0) return null;
  return (
    <ul class="flag-list" aria-label="Flags">
      {flags.map((flag) => (
        <li key={flag} class={isDoubtful(flag) ? "is-doubtful" : undefined}>
          <span class={isDoubtful(flag) ? "flag flag-doubtful" : "flag"}>{flag.replaceAll("_", " ")}</span>
          {FLAG_MEANING[flag] ?? "A flag that this page has no words for yet."}
        </li>
      ))}
    </ul>
  );
}

/** Every measured digit. */
function exactly(ns: number | null): string {
  return ns === null ? "" : `${count(ns)} ns`;
}

function Tiles({ of }: { of: Exchange }) {
  const why = whyUnanswered(of);
  return (
    <div class="tiles">
      <Tile label="Duration" sub={exactly(of.duration_ns)}>
        <Figure of={measured(of.duration_ns, duration)} why={why} />
      </Tile>
      <Tile label="First byte after" sub={exactly(of.first_byte_ns)}>
        <Figure of={measured(of.first_byte_ns, duration)} why={why} />
      </Tile>
      <Tile label="Request" sub={of.request.body_bytes === null ? "" : `body ${text(bytes(of.request.body_bytes))}`}>
        <Figure of={measured(of.request.bytes, bytes)} why={whyNoMessage(of, "request")} />
      </Tile>
      <Tile label="Response" sub={of.response.body_bytes === null ? "" : `body ${text(bytes(of.response.body_bytes))}`}>
        <Figure of={measured(of.response.bytes, bytes)} why={whyNoMessage(of, "response")} />
      </Tile>
    </div>
  );
}

function Record({ of, partner }: { of: Exchange; partner: Exchange | null }) {
  const { from, to } = ends(of);
  return (
    <>
      <Headline of={of} />
      <div class="actions">
        <CopyButton text={() => curl(of)}>Copy as curl</CopyButton>
        <CopyButton text={() => JSON.stringify(of, null, 2)}>Copy as JSON</CopyButton>
        <a class="button" href={alikeHref(of)}>
          Exchanges like this
        </a>
      </div>
      <FlagList flags={of.flags} />
      <Tiles of={of} />
      <Card title="Where the time went">
        <Waterfall of={of} partner={partner} />
      </Card>
      <div class="cards">
        <Card title="Request">
          <MessageFacts of={of.request} why={whyNoMessage(of, "request")}>
            <Fact name="Protocol">{of.protocol}</Fact>
          </MessageFacts>
        </Card>
        <Card title="Response">
          <MessageFacts of={of.response} why={whyNoMessage(of, "response")}>
            <Fact name="Status">
              <Status of={of} />
            </Fact>
            <Fact name="Before it">{of.interim.join(", ")}</Fact>
          </MessageFacts>
        </Card>
        {of.grpc !== null && (
          <Card title="gRPC">
            <GrpcFacts of={of.grpc} />
          </Card>
        )}
        <Card title="Connection">
          <ConnectionFacts of={of} />
        </Card>
        <Card title="From" mark={from === of.local && "observed"}>
          <EndFacts of={from} />
        </Card>
        <Card title="To" mark={to === of.local && "observed"}>
          <EndFacts of={to} />
        </Card>
        {of.trace !== null && (
          <Card title="Trace">
            <TraceFacts of={of.trace} />
          </Card>
        )}
      </div>
      <p class="muted record-id">
        Record <span class="mono">{of.id}</span>
        {partner !== null && (
          <>
            , at the other end <a class="mono" href={exchangeHref(partner.id)}>{partner.id}</a>
          </>
        )}
      </p>
    </>
  );
}

/** The next (+1, older) or previous (−1) exchange of the list the reader came from. */
function neighbour(id: string, step: 1 | -1): string | null {
  const rows = keptList()?.rows.value ?? [];
  const at = rows.findIndex((row) => row.id === id);
  return at < 0 ? null : (rows[at + step]?.id ?? null);
}

/** With the id it is of: the page may show the next exchange before its partner has come. */
async function partnerOf(of: Exchange | null, signal: AbortSignal): Promise<{ id: string; partner: Exchange | null } | null> {
  return of === null ? null : { id: of.id, partner: (await fetchPartner(of.id, signal)).partner };
}

export function ExchangePage({ id }: { id: string }) {
  const kept = keptList()?.rows.value.find((row) => row.id === id) ?? null;
  // What is still going on is asked for again; what is over never changes.
  const polled = usePolled(`exchange ${id}`, (signal) => fetchExchange(id, signal), kept?.flags.includes("unfinished") === true ? 2000 : null);
  const shown = polled.data ?? kept;
  const other = usePolled(shown === null ? null : `partner ${shown.id}`, (signal) => partnerOf(shown, signal), null);
  useEffect(() => noteOpened(id), [id]);
  const step = (by: 1 | -1): boolean => {
    const next = neighbour(id, by);
    if (next !== null) go(exchangeHref(next), { replace: true });
    return true;
  };
  useKeys({ j: () => step(1), k: () => step(-1) });
  return (
    <section class="page exchange" aria-busy={shown === null}>
      <nav class="crumbs" aria-label="Way here">
        <a href={href("/exchanges")}>Exchanges</a>
        <Icon name="right" />
        <span aria-current="page" class="mono">
          {id.slice(0, 16)}…
        </span>
      </nav>
      {shown !== null ? (
        <Record of={shown} partner={other.data?.id === shown.id ? other.data.partner : null} />
      ) : polled.error !== null ? (
        <Failure what="this exchange" error={polled.error} retryAt={polled.retryAt} retry={polled.reload} />
      ) : (
        <div class="exchange-skeleton" aria-hidden="true">
          <span class="bone bone-0" />
          <span class="bone bone-1" />
          <div class="tiles">
            <div class="tile" />
            <div class="tile" />
            <div class="tile" />
            <div class="tile" />
          </div>
          <div class="card" />
        </div>
      )}
    </section>
  );
}
