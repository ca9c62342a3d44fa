/** The parts of a record as lists of facts: messages, connection, ends. */
import type { ComponentChildren } from "preact";

import { href, serviceHref } from "../address";
import type { Exchange, Message, Peer } from "../api/types";
import { bytes, count, duration } from "../format/numbers";
import { Fact, Facts, Figure, measured, Unknown } from "../parts/figure";
import { toAddress } from "./filter";
import { grpcStatus, socketAddress, whyUnanswered } from "./record";

function Size({ of, why }: { of: number | null; why: string }) {
  return <Figure of={measured(of, bytes)} why={why} title={of === null ? undefined : `${count(of)} bytes`} />;
}

function Fields({ title, of }: { title: string; of: Record<string, string> | undefined }) {
  const pairs = Object.entries(of ?? {});
  if (pairs.length === 0) return null;
  return (
    <>
      <h3>{title}</h3>
      <dl class="facts fields">
        {pairs.map(([name, value]) => (
          <div key={name}>
            <dt class="mono">{name}</dt>
            <dd class="mono">{value === "*" ? <span title="Masked: rover keeps no secret">*</span> : value}</dd>
          </div>
        ))}
      </dl>
    </>
  );
}

/** Sizes and kept headers of the request or the response; `children` are facts that stand before them. */
export function MessageFacts({ of, why, children }: { of: Message; why: string; children: ComponentChildren }) {
  return (
    <>
      <Facts>
        {children}
        <Fact name="On the wire">
          <Size of={of.bytes} why={why} />
        </Fact>
        <Fact name="Head">
          <Size of={of.head_bytes} why={why} />
        </Fact>
        <Fact name="Body">
          <Size of={of.body_bytes} why={why} />
        </Fact>
      </Facts>
      <Fields title="Headers kept" of={of.headers} />
      <Fields title="Trailers" of={of.trailers} />
    </>
  );
}

/** The connection that carried the exchange. */
export function ConnectionFacts({ of }: { of: Exchange }) {
  const { connection, tls } = of;
  const tcp = connection.tcp;
  const whyNoStart = of.flags.includes("pre_existing") ? "the connection is older than rover" : "its opening was not seen";
  const age = connection.opened_ns === null ? null : of.start_ns - connection.opened_ns;
  return (
    <Facts>
      <Fact name="Id">
        <span class="mono">{connection.id}</span>
      </Fact>
      <Fact name="Exchange">{`number ${connection.exchange} of this connection`}</Fact>
      <Fact name="Stream">{connection.stream}</Fact>
      <Fact name="Age at the start">
        <Figure of={measured(age, duration)} why={whyNoStart} />
      </Fact>
      <Fact name="Handshake">
        <Figure of={measured(connection.handshake_ns, duration)} why={whyNoStart} />
      </Fact>
      <Fact name="Round trip">
        <Figure of={measured(connection.rtt_ns, duration)} why="no hook on this kernel shows the round-trip time" />
      </Fact>
      <Fact name="Bytes so far">{tcp && `${bytes(tcp.sent_bytes)} sent, ${bytes(tcp.received_bytes)} received`}</Fact>
      <Fact name="Retransmits">{tcp?.retransmits}</Fact>
      <Fact name="Out of order">{tcp?.out_of_order}</Fact>
      <Fact name="Closed windows">{tcp?.zero_windows}</Fact>
      <Fact name="TLS">{tls === null ? "none" : [tls.version, tls.library].filter(Boolean).join(", ")}</Fact>
      <Fact name="Server name">{tls?.server_name}</Fact>
      <Fact name="Protocol agreed on">{tls?.alpn}</Fact>
      <Fact name="Cipher">{tls?.cipher}</Fact>
      <Fact name="TLS handshake">{tls !== null && <Figure of={measured(tls.handshake_ns ?? null, duration)} why="the handshake was not seen" />}</Fact>
    </Facts>
  );
}

/** `name (detail)`, or what there is of it. */
function withDetail(name: string | undefined, detail: string | undefined): string | undefined {
  return name === undefined || detail === undefined ? name : `${name} (${detail})`;
}

/** One end: address and who is known to be behind it. */
export function EndFacts({ of }: { of: Peer }) {
  const who = of.identity;
  const { container, kubernetes } = who ?? {};
  return (
    <Facts>
      <Fact name="Address">
        <span class="mono">{socketAddress(of)}</span>
      </Fact>
      <Fact name="Service">{who?.service === undefined ? null : <a href={serviceHref(who.service)}>{who.service}</a>}</Fact>
      <Fact name="Instance">{who?.instance}</Fact>
      <Fact name="Process">
        {who === null ? <Unknown why="no process of this node is known behind this address" /> : withDetail(who.process, who.pid === undefined ? undefined : `pid ${who.pid}`)}
      </Fact>
      <Fact name="Executable">{who?.executable === undefined ? null : <span class="mono">{who.executable}</span>}</Fact>
      <Fact name="Unit">{who?.unit}</Fact>
      <Fact name="Container">{withDetail(container?.name ?? container?.id.slice(0, 12), container?.runtime)}</Fact>
      <Fact name="Namespace">{kubernetes?.namespace}</Fact>
      <Fact name="Pod">{kubernetes?.pod}</Fact>
      <Fact name="Workload">{withDetail(kubernetes?.workload, kubernetes?.workload_kind)}</Fact>
      <Fact name="Node">{kubernetes?.node}</Fact>
    </Facts>
  );
}

/** Trace context that the request carried. */
export function TraceFacts({ of }: { of: NonNullable<Exchange["trace"]> }) {
  return (
    <Facts>
      <Fact name="Format">{of.format}</Fact>
      <Fact name="Trace">
        <span class="mono">{of.trace_id}</span>
      </Fact>
      <Fact name="Span">{of.span_id === null ? <Unknown why="the header names none" /> : <span class="mono">{of.span_id}</span>}</Fact>
      <Fact name="Sampled">{of.sampled === null ? <Unknown why="the header does not tell" /> : of.sampled ? "yes" : "no"}</Fact>
    </Facts>
  );
}

/** What a call of gRPC named, how it ended, and its messages both ways. */
export function GrpcFacts({ of }: { of: NonNullable<Exchange["grpc"]> }) {
  const uncounted = "not all of the call's content was seen";
  return (
    <Facts>
      <Fact name="Service">{of.service === null ? <Unknown why="the path was not seen" /> : <span class="mono">{of.service}</span>}</Fact>
      <Fact name="Method">{of.method === null ? <Unknown why="the path was not seen" /> : <span class="mono">{of.method}</span>}</Fact>
      <Fact name="Status">{of.status === null ? <Unknown why="no trailers were seen" /> : `${grpcStatus(of.status)} (${of.status})`}</Fact>
      <Fact name="Messages asked">
        {typeof of.request_messages === "number" ? count(of.request_messages) : <Unknown why={uncounted} />}
      </Fact>
      <Fact name="Messages answered">
        {typeof of.response_messages === "number" ? count(of.response_messages) : <Unknown why={uncounted} />}
      </Fact>
    </Facts>
  );
}

/** Why a message of this exchange has no figures. */
export function whyNoMessage(of: Exchange, message: "request" | "response"): string {
  if (message === "response") return whyUnanswered(of);
  return of.flags.includes("no_request") ? "the request was not seen" : "its bytes were not seen";
}

/** Address of the exchanges like this one: same service, method and path. */
export function alikeHref(of: Exchange): string {
  const server = of.side === "server" ? of.local : of.remote;
  return href(
    "/exchanges",
    toAddress({
      ...(server.identity?.service === undefined ? {} : { service: server.identity.service }),
      ...(of.method === null ? {} : { method: of.method }),
      ...(of.path === null ? {} : { path: of.path }),
    }),
  );
}
