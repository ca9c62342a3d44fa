/** A button that copies a text and says so. */
import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";

import { Icon } from "./icon";

/** The clipboard interface exists only in secure contexts; a page opened by address of another host is none. */
async function copy(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = document.createElement("textarea");
    area.value = text;
    area.className = "spoken";
    document.body.append(area);
    area.select();
    const isDone = document.execCommand("copy");
    area.remove();
    return isDone;
  }
}

const SHOWN_MS = 1600;

export function CopyButton({ text, children, class: style = "button" }: { text: string | (() => string); children?: ComponentChildren; class?: string }) {
  const [result, setResult] = useState<"" | "Copied" | "Copying was refused">("");
  useEffect(() => {
    if (result === "") return undefined;
    const timer = setTimeout(() => setResult(""), SHOWN_MS);
    return () => clearTimeout(timer);
  }, [result]);
  const onClick = async (): Promise<void> => {
    const isDone = await copy(typeof text === "string" ? text : text());
    setResult(isDone ? "Copied" : "Copying was refused");
  };
  return (
    <button type="button" class={style} onClick={() => void onClick()}>
      <Icon name={result === "Copied" ? "check" : "copy"} />
      <span aria-live="polite">{result === "" ? (children ?? <span class="spoken">Copy</span>) : result}</span>
    </button>
  );
}

/** A command to run, with a button that copies it. */
export function Command({ line }: { line: string }) {
  return (
    <div class="command">
      <code>{line}</code>
      <CopyButton text={line} class="button button-quiet" />
    </div>
  );
}
