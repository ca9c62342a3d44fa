/**
 * What of the map is shown: groups closed when there are too many services to read, one service with its neighbours when
 * the reader asks for it. Pure.
 */
import type { Topology, TopologyEdge, TopologyNode, Traffic } from "../api/types";

/** From so many nodes on, groups are closed until they are opened. */
export const READABLE = 60;

const GROUP = "group:";

export type NodeKind = TopologyNode["kind"] | "group";

export interface ShownNode {
  id: string;
  name: string;
  kind: NodeKind;
  /** The group that it is drawn in, if that is open. */
  group: string | null;
  /** Services in a closed group, 1 otherwise. */
  members: number;
  callsPerMinute: number | null;
  successRate: number | null;
  p95Ns: number | null;
}

export interface ShownEdge {
  source: string;
  target: string;
  isHttp: boolean;
  isTls: boolean;
  callsPerMinute: number;
  successRate: number | null;
  /** As the caller sees it, if somebody watches that. Of several edges the worst. */
  p95Ns: number | null;
  bytes: number;
  /** The edges of the map that this one stands for. */
  of: readonly TopologyEdge[];
}

export interface View {
  nodes: ShownNode[];
  edges: ShownEdge[];
  /** Groups that could be opened or closed, by name. */
  groups: string[];
}

export interface Wish {
  /** Show this node and its neighbours only. */
  focus: string | null;
  /** Groups that are open although there are many services. */
  open: readonly string[];
}

/** The caller's figures of an edge, else the callee's: what the edge costs is what the caller waits. */
export function ofEdge(edge: TopologyEdge): Traffic | null {
  return edge.client !== null && (edge.client.calls > 0 || edge.server === null) ? edge.client : edge.server;
}

function kept(map: Topology, focus: string | null): Topology {
  if (focus === null || map.nodes.every((node) => node.id !== focus)) return map;
  const edges = map.edges.filter((edge) => edge.source === focus || edge.target === focus);
  const near = new Set([focus, ...edges.flatMap((edge) => [edge.source, edge.target])]);
  const among = map.edges.filter((edge) => near.has(edge.source) && near.has(edge.target));
  return { ...map, nodes: map.nodes.filter((node) => near.has(node.id)), edges: among };
}

/** Share of successes of several, by their calls. */
function together(parts: readonly (Traffic | null)[]): { callsPerMinute: number; successRate: number | null; p95Ns: number | null } {
  const known = parts.filter((part): part is Traffic => part !== null && part.calls > 0);
  const calls = known.reduce((sum, part) => sum + part.calls, 0);
  const good = known.reduce((sum, part) => sum + part.calls * (part.success_rate ?? 1), 0);
  const slowest = Math.max(...known.map((part) => part.p95_ns ?? 0));
  return {
    callsPerMinute: known.reduce((sum, part) => sum + part.calls_per_minute, 0),
    successRate: calls === 0 ? null : good / calls,
    p95Ns: slowest > 0 ? slowest : null,
  };
}

function shownNode(id: string, members: readonly TopologyNode[], isClosed: boolean): ShownNode {
  const first = members[0];
  const sums = together(members.map((node) => node.seen));
  const isSeen = members.some((node) => node.seen !== null);
  return {
    ...sums,
    id,
    name: isClosed ? id.slice(GROUP.length) : (first?.name ?? id),
    kind: isClosed ? "group" : (first?.kind ?? "service"),
    group: isClosed ? null : (first?.group ?? null),
    members: members.length,
    callsPerMinute: isSeen ? sums.callsPerMinute : null,
  };
}

function shownEdge(source: string, target: string, edges: readonly TopologyEdge[]): ShownEdge {
  const traffic = edges.map(ofEdge);
  return {
    ...together(traffic),
    source,
    target,
    isHttp: edges.some((edge) => edge.is_http),
    isTls: edges.some((edge) => edge.is_tls),
    bytes: traffic.reduce((sum, part) => sum + (part === null ? 0 : part.sent_bytes + part.received_bytes), 0),
    of: edges,
  };
}

/** The map as the reader wants it. The order of nodes and edges is the map's, so that the layout is the same each time. */
export function view(map: Topology, wish: Wish): View {
  const part = kept(map, wish.focus);
  const sizes = new Map<string, number>();
  for (const { group } of part.nodes) if (group !== null) sizes.set(group, (sizes.get(group) ?? 0) + 1);
  const groups = Array.from(sizes.keys()).toSorted();
  const isCrowded = part.nodes.length > READABLE && groups.length > 1 && wish.focus === null;
  const isClosed = (group: string | null): group is string => isCrowded && group !== null && (sizes.get(group) ?? 0) > 1 && !wish.open.includes(group);

  const place = new Map<string, string>();
  const members = new Map<string, TopologyNode[]>();
  for (const node of part.nodes) {
    const id = isClosed(node.group) ? GROUP + node.group : node.id;
    place.set(node.id, id);
    members.set(id, [...(members.get(id) ?? []), node]);
  }
  const joined = new Map<string, TopologyEdge[]>();
  for (const edge of part.edges) {
    const key = JSON.stringify([place.get(edge.source), place.get(edge.target)]);
    joined.set(key, [...(joined.get(key) ?? []), edge]);
  }
  return {
    nodes: Array.from(members, ([id, list]) => shownNode(id, list, id.startsWith(GROUP) && isClosed(list[0]?.group ?? null))),
    edges: Array.from(joined, ([key, list]) => {
      const [source, target] = JSON.parse(key) as [string, string];
      return shownEdge(source, target, list);
    }).filter((edge) => edge.source !== edge.target || !edge.source.startsWith(GROUP)),
    groups: isCrowded ? groups : [],
  };
}
