/** The map of who calls whom. */
import { useRef, useState } from "preact/hooks";

import { changed, go, parameters } from "../address";
import { topology } from "../api/client";
import { usePolled } from "../api/polled";
import type { Topology } from "../api/types";
import { counted } from "../format/numbers";
import { useKeys } from "../keys";
import { Combobox } from "../parts/combobox";
import { Icon } from "../parts/icon";
import { Failure, Freshness } from "../parts/states";
import { useWidth } from "../parts/width";
import { range, rangeKey, rangePhrase } from "../range";
import { NothingYet } from "../services/nothing_yet";
import { MapGraph } from "./graph";
import { type Direction, draw, type Picture, plan, type Plan, structure } from "./layout";
import { EdgePanel, NodePanel } from "./panel";
import { type View, view } from "./view";

/** Below this width of the window callers stand above whom they call. */
const WIDE = 720;
const ZOOMS = [0.5, 0.7, 0.85, 1, 1.25, 1.6, 2.2] as const;
const FITTING = 3;

/** Finds a service and shows it with its neighbours. */
function Find({ map }: { map: Topology }) {
  const input = useRef<HTMLInputElement>(null);
  const [value, setValue] = useState("");
  const wanted = value.trim().toLowerCase();
  const found = wanted === "" ? [] : map.nodes.filter((node) => node.name.toLowerCase().includes(wanted)).slice(0, 8);
  const choose = (id: string): string => {
    setValue("");
    input.current?.blur();
    go(changed({ focus: id, node: id, source: null, target: null }));
    return "";
  };
  useKeys({ f: () => input.current?.focus() });
  return (
    <div class="map-find">
      <Icon name="search" />
      <Combobox
        label="Find a service on the map"
        placeholder="Find a service (f)"
        value={value}
        options={found.map((node) => ({ key: node.id, label: node.name }))}
        input={input}
        onValue={(text) => {
          setValue(text);
          return text;
        }}
        onChoose={(option) => choose(option.key)}
        onSubmit={(text) => (found[0] === undefined ? text : choose(found[0].id))}
      />
    </div>
  );
}

function Legend({ shown }: { shown: View }) {
  const hasTcp = shown.edges.some((edge) => !edge.isHttp);
  return (
    <p class="legend map-legend">
      <span>Size: calls per minute</span>
      <span>Ring: share of successes</span>
      <span>On an edge: p95 as the caller sees it</span>
      {hasTcp && <span>Dashed: TCP without HTTP</span>}
    </p>
  );
}

/** The picture of a structure, laid out once; figures change without it. */
function usePicture(shown: View, direction: Direction): Picture {
  const held = useRef<{ key: string; laid: Plan } | null>(null);
  const key = structure(shown, direction);
  const laid = held.current?.key === key ? held.current.laid : plan(shown, direction);
  held.current = { key, laid };
  return draw(laid, shown);
}

function Filled({ map }: { map: Topology }) {
  const query = parameters.value;
  const focus = query.get("focus");
  const shown = view(map, { focus, open: query.get("open")?.split(",") ?? [] });
  const [box, width] = useWidth();
  const [zoom, setZoom] = useState(FITTING);
  const direction: Direction = window.innerWidth >= WIDE ? "LR" : "TB";
  const picture = usePicture(shown, direction);
  const [source, target] = [query.get("source"), query.get("target")];
  const edge = map.edges.find((one) => one.source === source && one.target === target);
  const node = map.nodes.find((one) => one.id === query.get("node"));
  const seconds = map.span.watched_s;
  const step = (by: number): void => setZoom((at) => Math.min(ZOOMS.length - 1, Math.max(0, at + by)));
  useKeys({
    "+": () => step(1),
    "-": () => step(-1),
    Escape: () => {
      if (edge !== undefined || node !== undefined) go(changed({ node: null, source: null, target: null }));
      else if (focus !== null) go(changed({ focus: null }));
      else return false;
      return true;
    },
  });
  return (
    <div class={`map-page${edge === undefined && node === undefined ? "" : " has-panel"}`}>
      <div class="card map-card">
        <div class="map-tools">
          <Find map={map} />
          {focus !== null && (
            <a class="button button-small" href={changed({ focus: null, node: null })}>
              <Icon name="cross" /> Show all {map.nodes.length}
            </a>
          )}
          <span class="muted note map-count">
            {counted(map.nodes.filter((one) => one.kind === "service").length, "service")}
            {shown.groups.length > 0 && `, closed into ${counted(shown.groups.length, "group")}: open one by a click`}
          </span>
          <span class="map-zoom">
            <button type="button" class="button button-small" aria-label="Smaller (-)" onClick={() => step(-1)}>
              −
            </button>
            <button type="button" class="button button-small" onClick={() => setZoom(FITTING)}>
              Fit
            </button>
            <button type="button" class="button button-small" aria-label="Larger (+)" onClick={() => step(1)}>
              +
            </button>
          </span>
        </div>
        <div class="map-scroll" ref={box}>
          {width > 0 && (
            <MapGraph
              picture={picture}
              width={width}
              zoom={ZOOMS[zoom] ?? 1}
              seconds={seconds}
              chosenNode={node?.id ?? null}
              chosenEdge={edge === undefined ? null : [edge.source, edge.target]}
              canClose={shown.groups.length > 0}
            />
          )}
        </div>
        <Legend shown={shown} />
      </div>
      {edge !== undefined && <EdgePanel of={edge} map={map} seconds={seconds} />}
      {edge === undefined && node !== undefined && <NodePanel of={node} map={map} />}
    </div>
  );
}

export function TopologyPage() {
  const polled = usePolled(`topology ${rangeKey.value}`, (signal) => topology(range.value, signal));
  const map = polled.data;
  return (
    <section class="page page-wide" aria-busy={map === null && polled.isLoading}>
      <header class="page-head">
        <h1>Topology</h1>
      </header>
      <Freshness of={polled} />
      {map === null && polled.error !== null ? (
        <Failure what="the map" error={polled.error} retryAt={polled.retryAt} retry={polled.reload} />
      ) : map === null ? (
        <div class="card map-card map-loading" />
      ) : map.nodes.length === 0 ? (
        <NothingYet title={`Nobody talked to anybody ${rangePhrase(range.value)}`} />
      ) : (
        <Filled map={map} />
      )}
    </section>
  );
}
