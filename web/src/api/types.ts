/**
 * Shapes of the backend's JSON API under the names that the page uses. Made from openapi.ts, which is generated
 * (`npm run types`): nothing here describes a field by itself.
 */
import type { components } from "./openapi";

type Schemas = components["schemas"];

export type Service = Schemas["ServiceFigures"];
export type Endpoint = Schemas["EndpointFigures"];
/** What a service and an endpoint have in common. */
export type Figures = Omit<Service, "name" | "retransmit_rate"> & { retransmit_rate?: number | null };
export type Services = Schemas["Services"];
export type Endpoints = Schemas["Endpoints"];
/** What one side of connections saw. */
export type Traffic = Schemas["Traffic"];
export type Topology = Schemas["Topology"];
export type TopologyNode = Schemas["TopologyNode"];
export type TopologyEdge = Schemas["TopologyEdge"];
export type Instances = Schemas["Instances"];
/** A service or an endpoint over time. */
export type Series = Schemas["Series"];
export type Layers = Schemas["Layers"];
/** One access-log record: an HTTP exchange as one side of its connection saw it. */
export type Exchange = Schemas["Record"];
export type Exchanges = Schemas["Exchanges"];
export type Side = Exchange["side"];
export type Message = Schemas["Message"];
export type Peer = Schemas["Peer"];
/** Sums over socket operations by direction; a figure that no hook feeds is absent. */
export type Kernel = Schemas["Kernel"];
/** The same exchange as the other end saw it, if it did. */
export type Partner = Schemas["Partner"];
export type Node = Schemas["Node"];
export type Hook = Schemas["Hook"];
export type TlsState = Schemas["TlsState"];
export type BlindWindow = Schemas["BlindWindow"];
export type Store = Schemas["StoreState"];
/** Socket operations: captured = reported + in_flight + Σ causes. */
export type Ledger = Node["ledger"];
