/** What TCP did below a service, and where the kernel's time went. */
import type { Layers, Series } from "../api/types";
import { type Part, StackChart } from "../charts/stack";
import type { Layer } from "../exchanges/timeline";
import { LAYER_NAME } from "../exchanges/timeline";
import { bytes, count, duration, text } from "../format/numbers";

const LAYERS = ["socket", "tcp", "ip", "netfilter", "queue", "device"] as const satisfies readonly Layer[];

function layerParts(of: Layers): Part[] {
  return LAYERS.map((layer) => ({ name: LAYER_NAME[layer], class: `layer-${layer}`, values: of[layer] }));
}

function size(value: number): string {
  return text(bytes(value));
}

function time(value: number): string {
  return text(duration(Math.round(value)));
}

export function TcpCharts({ of }: { of: Series }) {
  const { span } = of;
  const isQuiet = of.retransmits.every((value) => value === 0) && of.drops.every((value) => value === 0);
  return (
    <>
      <div class="charts">
        <StackChart
          title="Bytes"
          span={span}
          show={size}
          unit="bytes"
          parts={[
            { name: "received", class: "bytes-received", values: of.received_bytes },
            { name: "sent", class: "bytes-sent", values: of.sent_bytes },
          ]}
        />
        <StackChart
          title="Packets"
          span={span}
          show={count}
          parts={[
            { name: "received", class: "bytes-received", values: of.received_packets },
            { name: "sent", class: "packets-sent", values: of.sent_packets },
          ]}
        />
        <StackChart title="Kernel time of writes, by layer" span={span} show={time} unit="ns" parts={layerParts(of.sending)} />
        <StackChart title="Kernel time of reads, by layer" span={span} show={time} unit="ns" parts={layerParts(of.receiving)} />
        <StackChart
          title="Connections"
          span={span}
          show={count}
          parts={[
            { name: "opened", class: "conn-opened", values: of.connects },
            { name: "closed", class: "conn-closed", values: of.closes },
          ]}
        />
        {!isQuiet && (
          <StackChart
            title="Retransmits and drops"
            span={span}
            show={count}
            parts={[
              { name: "retransmitted", class: "retransmitted", values: of.retransmits },
              { name: "dropped", class: "dropped", values: of.drops },
            ]}
          />
        )}
      </div>
      <p class="muted note">
        {isQuiet && "No packet was retransmitted or dropped. "}
        Each layer without those inside it; a layer that no hook feeds on this kernel is not drawn.
      </p>
    </>
  );
}
