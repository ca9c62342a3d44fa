/** The filters as chips and as text in one field: what is typed becomes a chip, a chip clicked becomes text again. */
import type { RefObject } from "preact";
import { useState } from "preact/hooks";

import { changed, go, parameters } from "../address";
import { services } from "../api/client";
import { usePolled } from "../api/polled";
import { Combobox, type Option } from "../parts/combobox";
import { CopyButton } from "../parts/copy";
import { Icon } from "../parts/icon";
import { range, rangeKey } from "../range";
import { entries, type Field, FIELD_HELP, FIELDS, type Filters, fromAddress, parse, text as filterText, toAddress, word } from "./filter";

interface Suggestion extends Option {
  /** What the word being typed becomes. */
  word: string;
  /** Whether the word is complete: then it becomes a chip at once. */
  isWhole: boolean;
}

function apply(filters: Filters): void {
  go(changed(toAddress(filters)));
}

/** Suggestions for the word being typed: names of fields, or values of the field that is named. */
function suggest(typed: string, set: Filters, names: readonly string[]): Suggestion[] {
  const last = /\S*$/.exec(typed)?.[0] ?? "";
  const colon = last.indexOf(":");
  const field = FIELDS.find((name) => name === last.slice(0, colon));
  if (field !== undefined) {
    const start = last.slice(colon + 1).toLowerCase();
    const values = field === "service" || field === "peer" ? names : FIELD_HELP[field].examples;
    return values
      .filter((value) => value.toLowerCase().includes(start))
      .slice(0, 8)
      .map((value) => ({ key: value, label: <code>{word(field, value)}</code>, word: word(field, value), isWhole: true }));
  }
  if (last !== "" && !FIELDS.some((name) => name.startsWith(last.toLowerCase()))) return [];
  return FIELDS.filter((name) => name.startsWith(last.toLowerCase()) && set[name] === undefined).map((name) => ({
    key: name,
    label: <code>{name}:</code>,
    hint: FIELD_HELP[name].takes,
    word: `${name}:`,
    isWhole: false,
  }));
}

const QUICK: readonly [Field, string, string][] = [
  ["status", "5xx", "5xx"],
  ["status", "4xx", "4xx"],
  ["slower", "100ms", "slower than 100 ms"],
  ["slower", "1s", "slower than 1 s"],
  ["side", "server", "seen at the server"],
];

/** Common questions as switches. */
function QuickFilters({ set }: { set: Filters }) {
  return (
    <div class="quick" role="group" aria-label="Common filters">
      {QUICK.map(([field, value, name]) => {
        const isOn = set[field] === value;
        return (
          <button
            key={name}
            type="button"
            class="quick-filter"
            aria-pressed={isOn}
            onClick={() => {
              const { [field]: _, ...rest } = set;
              apply(isOn ? rest : { ...set, [field]: value });
            }}
          >
            {name}
          </button>
        );
      })}
    </div>
  );
}

export function FilterBar({ input }: { input: RefObject<HTMLInputElement | null> }) {
  const set = fromAddress(parameters.value);
  const [typed, setTyped] = useState("");
  const [complaint, setComplaint] = useState("");
  const [hasFocus, setFocus] = useState(false);
  const known = usePolled(hasFocus ? `names ${rangeKey.value}` : null, (signal) => services(range.value, signal), null);
  const names = (known.data?.services ?? []).map((service) => service.name).toSorted();

  const keep = (text: string): string => {
    setTyped(text);
    return text;
  };

  /** Turns text into chips; what cannot be read stays in the field with the reason below it. Returns what stays. */
  const take = (text: string): string => {
    const { filters, misread } = parse(text);
    setComplaint(misread.map((one) => one.reason).join("; "));
    // Of the present address, which may be newer than what is drawn.
    if (Object.keys(filters).length > 0) apply({ ...fromAddress(parameters.peek()), ...filters });
    const rest = misread.map((one) => one.word).join(" ");
    return keep(rest !== "" && text.endsWith(" ") ? `${rest} ` : rest);
  };

  const remove = (field: Field): void => {
    const { [field]: _, ...rest } = set;
    apply(rest);
  };

  const edit = (field: Field, value: string): void => {
    remove(field);
    setTyped(`${word(field, value)}`);
    input.current?.focus();
  };

  const chips = entries(set);
  return (
    <div class="filters">
      <div class={`filter-bar${complaint === "" ? "" : " has-complaint"}`}>
        <Icon name="search" />
        {chips.map(([field, value]) => (
          <span key={field} class="chip">
            <button type="button" class="chip-text" title="Edit this filter" onClick={() => edit(field, value)}>
              <span class="chip-field">{field}:</span>
              {value}
            </button>
            <button type="button" class="chip-remove" aria-label={`Remove the filter ${word(field, value)}`} onClick={() => remove(field)}>
              <Icon name="cross" />
            </button>
          </span>
        ))}
        <span class="filter-input">
          <Combobox
            label="Filter exchanges"
            placeholder={chips.length === 0 ? "service:cart status:5xx slower:200ms path:/api/*" : "Add a filter"}
            value={typed}
            options={suggest(typed, set, names)}
            input={input}
            onValue={(value) => {
              setComplaint("");
              // A space after a whole word ends it, as in a search field with tokens.
              return /\S\s$/.test(value) && (value.match(/"/g)?.length ?? 0) % 2 === 0 ? take(value) : keep(value);
            }}
            onChoose={(option, value) => {
              const text = value.replace(/\S*$/, "") + option.word;
              return option.isWhole ? take(text) : keep(text);
            }}
            onSubmit={take}
            onEmptyBackspace={() => {
              const lastChip = chips.at(-1);
              if (lastChip !== undefined) edit(...lastChip);
            }}
            onFocus={() => setFocus(true)}
            onBlur={() => setFocus(false)}
          />
        </span>
        {chips.length > 0 && (
          <span class="filter-tools">
            <CopyButton text={() => filterText(set)} class="button button-quiet button-small">
              <span class="spoken">Copy the filters as text</span>
            </CopyButton>
            <button type="button" class="button button-quiet button-small" onClick={() => apply({})}>
              Clear
            </button>
          </span>
        )}
      </div>
      {complaint !== "" && (
        <p class="complaint" role="alert">
          {complaint}
        </p>
      )}
      <QuickFilters set={set} />
    </div>
  );
}
