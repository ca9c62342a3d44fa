/** The empty state: nothing was captured in this range, and what to do about it. */
import { changed, href } from "../address";
import { Command } from "../parts/copy";
import { Empty } from "../parts/states";
import { range } from "../range";

export function NothingYet({ title }: { title: string }) {
  const isPast = range.value.kind === "between";
  return (
    <Empty title={title}>
      {isPast ? (
        <p>
          Choose another time range, or <a href={changed({ from: null, to: null })}>go back to now</a>.
        </p>
      ) : (
        <>
          <p>Send a request to any HTTP server on this machine, for instance to this one. It appears here within a second.</p>
          <Command line={`curl -s -o /dev/null ${location.origin}/`} />
          <p class="muted">
            Still nothing? <a href={href("/nodes")}>See which hooks are attached</a>, or run <code>rover doctor</code>.
          </p>
        </>
      )}
    </Empty>
  );
}
