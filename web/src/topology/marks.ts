/** What a node or an edge says in words, and how it fares: the same limits as everywhere. */
import { count, duration, perMinute, share, text, throughput } from "../format/numbers";
import { health } from "../services/figures";
import type { ShownEdge, ShownNode } from "./view";

export type State = "ok" | "warning" | "error" | "unknown";

/** Health by success rate alone. */
export function state({ successRate }: { successRate: number | null }): State {
  return health({ success_rate: successRate });
}

export const KIND_NAME: Record<ShownNode["kind"], string> = {
  service: "service",
  group: "group of services",
  host: "host, by its address",
  external: "external address",
};

/** The line below the name of a node. */
export function figures(node: ShownNode): string {
  if (node.callsPerMinute === null) return node.kind === "service" ? "calls others" : KIND_NAME[node.kind];
  if (node.callsPerMinute === 0) return "TCP without HTTP";
  const rate = text(perMinute(node.callsPerMinute));
  return node.successRate === null || node.successRate === 1 ? rate : `${rate} · ${text(share(node.successRate))}`;
}

/** A node for those who do not see it. */
export function spokenNode(node: ShownNode): string {
  const slow = node.p95Ns === null ? "" : `, p95 ${text(duration(node.p95Ns))}`;
  const many = node.members > 1 ? `, ${count(node.members)} services` : "";
  const kind = KIND_NAME[node.kind];
  const fares = figures(node);
  return `${node.name}: ${kind}${many}${fares === kind ? "" : `, ${fares}`}${slow}`;
}

/** The label of an edge. */
export function edgeLabel(edge: ShownEdge, seconds: number): string {
  if (!edge.isHttp) return edge.bytes > 0 ? text(throughput(edge.bytes / seconds)) : "TCP";
  return edge.p95Ns === null ? text(perMinute(edge.callsPerMinute)) : text(duration(edge.p95Ns));
}

/** An edge for those who do not see it. */
export function spokenEdge(edge: ShownEdge, from: string, to: string, seconds: number): string {
  if (!edge.isHttp) return `${from} to ${to}: TCP without HTTP, ${edgeLabel(edge, seconds)}`;
  const success = edge.successRate === null ? "" : `, success ${text(share(edge.successRate))}`;
  const slow = edge.p95Ns === null ? "" : `, p95 ${text(duration(edge.p95Ns))}`;
  return `${from} to ${to}: ${text(perMinute(edge.callsPerMinute))}${success}${slow}${edge.isTls ? ", TLS" : ""}`;
}
