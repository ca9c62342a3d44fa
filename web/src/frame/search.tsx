/** Search of the top bar: services by name, exchanges by path or by filter text, one exchange by its id. */
import type { RefObject } from "preact";
import { useState } from "preact/hooks";

import { exchangeHref, go, href, serviceHref } from "../address";
import { services } from "../api/client";
import { usePolled } from "../api/polled";
import type { Service } from "../api/types";
import { parse, text as filterText, toAddress } from "../exchanges/filter";
import { perMinute, text as shown } from "../format/numbers";
import { Combobox, type Option } from "../parts/combobox";
import { Icon } from "../parts/icon";
import { range, rangeKey } from "../range";

interface Found extends Option {
  address: string;
}

const MOST_SERVICES = 7;

/** What the text may mean, the likeliest first. */
function find(text: string, known: readonly Service[]): Found[] {
  const wanted = text.trim();
  const found: Found[] = [];
  if (/^[0-9a-f]{32}$/.test(wanted)) found.push({ key: "id", label: "Open this exchange", address: exchangeHref(wanted) });
  const named = known.filter((service) => service.name.toLowerCase().includes(wanted.toLowerCase()));
  for (const service of named.slice(0, MOST_SERVICES)) {
    found.push({
      key: `service ${service.name}`,
      label: service.name,
      hint: shown(perMinute(service.calls_per_minute)),
      address: serviceHref(service.name),
    });
  }
  const { filters, misread } = parse(wanted);
  if (wanted !== "" && misread.length === 0) {
    found.push({ key: "exchanges", label: `Exchanges with ${filterText(filters)}`, address: href("/exchanges", toAddress(filters)) });
  }
  return found;
}

export function Search({ input }: { input: RefObject<HTMLInputElement | null> }) {
  const [value, setValue] = useState("");
  const [hasFocus, setFocus] = useState(false);
  // Asked for only while someone searches, and then once per range: names do not change that fast.
  const known = usePolled(hasFocus ? `search ${rangeKey.value}` : null, (signal) => services(range.value, signal), null);
  const list = known.data?.services ?? [];

  const open = (target: Found): string => {
    setValue("");
    input.current?.blur();
    go(target.address);
    return "";
  };

  return (
    <search class="search">
      <Icon name="search" />
      <Combobox
        label="Search services, paths and exchanges"
        placeholder="Service, path or filter"
        value={value}
        options={find(value, list)}
        input={input}
        onValue={(text) => {
          setValue(text);
          return text;
        }}
        onChoose={open}
        onSubmit={(text) => {
          const first = text.trim() === "" ? undefined : find(text, list)[0];
          return first === undefined ? text : open(first);
        }}
        onFocus={() => setFocus(true)}
        onBlur={() => setFocus(false)}
      />
      <kbd class="search-key" aria-hidden="true">
        /
      </kbd>
    </search>
  );
}
