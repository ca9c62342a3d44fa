/** Small marks of a record: status, flags, kind, layers. */
import type { Exchange } from "../api/types";
import { Unknown } from "../parts/figure";
import { FLAG_MEANING, grpcStatus, isDoubtful, statusClass, whyUnanswered } from "./record";
import type { Layer } from "./timeline";

export function Status({ of, isLarge = false }: { of: Exchange; isLarge?: boolean }) {
  const style = `status status-${statusClass(of.status)}${isLarge ? " status-large" : ""}`;
  return <span class={style}>{of.status ?? <Unknown why={whyUnanswered(of)} />}</span>;
}

export function Flags({ of }: { of: Exchange }) {
  return (
    <span class="flags">
      {of.flags.map((flag) => (
        <span key={flag} class={isDoubtful(flag) ? "flag flag-doubtful" : "flag"} title={FLAG_MEANING[flag]}>
          {flag.replaceAll("_", " ")}
        </span>
      ))}
    </span>
  );
}

/** What the exchange is, where it is more than plain HTTP. */
export function Kind({ of }: { of: Exchange }) {
  if (of.kind === "http") return null;
  const status = of.grpc?.status ?? null;
  // The HTTP status of a call is 200 whatever became of it.
  const hasFailed = status !== null && status !== 0;
  return <span class={hasFailed ? "flag flag-doubtful" : "flag flag-kind"}>{hasFailed ? `${of.kind} ${grpcStatus(status)}` : of.kind}</span>;
}

/** The colour of a layer, beside its name. */
export function Swatch({ layer }: { layer: Layer }) {
  return (
    <svg class="swatch" viewBox="0 0 10 10" width="10" height="10" aria-hidden="true">
      <rect class={`layer-${layer}`} width="10" height="10" rx="2" />
    </svg>
  );
}
