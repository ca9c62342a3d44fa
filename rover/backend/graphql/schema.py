"""The part of SkyWalking's query protocol that is served, in its own words: names and types are those of OAP, so that
clients written for it need no change."""

from __future__ import annotations

SCHEMA = """
"A 64-bit integer."
scalar Long

enum Step { DAY HOUR MINUTE SECOND }
enum Scope {
    All Service ServiceInstance Endpoint Process ServiceRelation ServiceInstanceRelation EndpointRelation
    ProcessRelation
}
enum Order { ASC DES }
enum DetectPoint { CLIENT SERVER PROXY }
enum MetricsType { UNKNOWN REGULAR_VALUE LABELED_VALUE HEATMAP SAMPLED_RECORD }
enum ExpressionResultType { UNKNOWN SINGLE_VALUE TIME_SERIES_VALUES SORTED_LIST RECORD_LIST }

"Both ends included, in UTC: `yyyy-MM-dd HHmm`, `yyyy-MM-dd HH` or `yyyy-MM-dd`, as the step says."
input Duration { start: String!, end: String!, step: Step!, coldStage: Boolean }
input Entity {
    scope: Scope, serviceName: String, normal: Boolean, serviceInstanceName: String, endpointName: String,
    processName: String, destServiceName: String, destNormal: Boolean, destServiceInstanceName: String,
    destEndpointName: String, destProcessName: String
}

input MetricCondition { name: String!, id: ID }
input BatchMetricConditions { name: String!, ids: [ID!]! }

type Service { id: ID!, name: String!, group: String!, shortName: String!, layers: [String!]!, normal: Boolean }
type Attribute { name: String!, value: String! }
type ServiceInstance {
    id: ID!, name: String!, attributes: [Attribute!]!, language: String!, instanceUUID: String!
}
type Endpoint { id: ID!, name: String! }
type EndpointInfo { id: ID!, name: String!, serviceId: ID!, serviceName: String! }
type Node { id: ID!, name: String!, type: String, isReal: Boolean!, layers: [String!]! }
type Call {
    id: ID!, source: ID!, target: ID!, detectPoints: [DetectPoint!]!, sourceComponents: [ID!]!,
    targetComponents: [ID!]!
}
type Topology { nodes: [Node!]!, calls: [Call!]! }
type ServiceInstanceNode {
    id: ID!, name: String!, serviceId: ID!, serviceName: String!, type: String, isReal: Boolean!
}
type ServiceInstanceTopology { nodes: [ServiceInstanceNode!]!, calls: [Call!]! }
type KeyValue { key: String!, value: String! }
type Metadata { labels: [KeyValue!]! }
type Owner {
    scope: Scope, serviceID: ID, serviceName: String, normal: Boolean, serviceInstanceID: ID,
    serviceInstanceName: String, endpointID: ID, endpointName: String
}
type MQEValue { id: ID, value: String, owner: Owner, traceID: ID }
type MQEValues { metric: Metadata, values: [MQEValue!]! }
type ExpressionResult { type: ExpressionResultType!, results: [MQEValues!]!, error: String }
type KVInt { id: ID!, value: Long!, isEmptyValue: Boolean! }
type IntValues { values: [KVInt!]! }
type MetricDefinition { name: String!, type: MetricsType!, catalog: String! }
type TimeInfo { timezone: String, currentTimestamp: Long }
type HealthStatus { score: Int!, details: String }
type RecordsTTL {
    normal: Int!, trace: Int!, zipkinTrace: Int!, log: Int!, browserErrorLog: Int!, coldNormal: Int!,
    coldTrace: Int!, coldZipkinTrace: Int!, coldLog: Int!, coldBrowserErrorLog: Int!
}
type MetricsTTL {
    metadata: Int!, minute: Int!, hour: Int!, day: Int!, coldMinute: Int!, coldHour: Int!, coldDay: Int!
}
type MenuItem {
    title: String!, icon: String, layer: String!, activate: Boolean!, description: String, documentLink: String,
    i18nKey: String, subItems: [MenuItem!]!
}
type DashboardConfiguration { id: ID!, configuration: String! }
type LayerLevel { layer: String!, level: Int! }
type HierarchyService { id: ID!, name: String!, layer: String!, normal: Boolean! }
type HierarchyServiceRelation { upperService: HierarchyService!, lowerService: HierarchyService! }
type ServiceHierarchy { relations: [HierarchyServiceRelation!]! }
type HierarchyInstance { id: ID!, name: String!, serviceId: ID!, serviceName: String!, layer: String! }
type HierarchyInstanceRelation { upperInstance: HierarchyInstance!, lowerInstance: HierarchyInstance! }
type InstanceHierarchy { relations: [HierarchyInstanceRelation!]! }

type Query {
    version: String
    getTimeInfo: TimeInfo
    checkHealth: HealthStatus!
    getRecordsTTL: RecordsTTL
    getMetricsTTL: MetricsTTL
    listLayers: [String!]!
    listLayerLevels: [LayerLevel!]!
    listServices(layer: String): [Service!]!
    getService(serviceId: String!): Service
    findService(serviceName: String!): Service
    listInstances(duration: Duration!, serviceId: ID!): [ServiceInstance!]!
    getInstance(instanceId: String!): ServiceInstance
    findEndpoint(keyword: String, serviceId: ID!, limit: Int!, duration: Duration): [Endpoint!]!
    getEndpointInfo(endpointId: ID!): EndpointInfo
    getGlobalTopology(duration: Duration!, layer: String, debug: Boolean): Topology
    getServiceTopology(serviceId: ID!, duration: Duration!, debug: Boolean): Topology
    getServicesTopology(serviceIds: [ID!]!, duration: Duration!, debug: Boolean): Topology
    getServiceInstanceTopology(
        clientServiceId: ID!, serverServiceId: ID!, duration: Duration!, debug: Boolean
    ): ServiceInstanceTopology
    getServiceHierarchy(serviceId: ID!, layer: String!): ServiceHierarchy!
    getInstanceHierarchy(instanceId: ID!, layer: String!): InstanceHierarchy!
    listMetrics(regex: String): [MetricDefinition!]!
    typeOfMetrics(name: String!): MetricsType!
    execExpression(
        expression: String!, entity: Entity!, duration: Duration!, debug: Boolean, dumpDBRsp: Boolean
    ): ExpressionResult!
    getMenuItems: [MenuItem!]!
    getAllTemplates: [DashboardConfiguration!]!

    getAllServices(duration: Duration!, group: String): [Service!]!
    searchServices(duration: Duration!, keyword: String!): [Service!]!
    searchService(serviceCode: String!): Service
    getServiceInstances(duration: Duration!, serviceId: ID!): [ServiceInstance!]!
    searchEndpoint(keyword: String!, serviceId: ID!, limit: Int!): [Endpoint!]!
    getLinearIntValues(metric: MetricCondition!, duration: Duration!): IntValues!
    getValues(metric: BatchMetricConditions!, duration: Duration!): IntValues!
}
"""
