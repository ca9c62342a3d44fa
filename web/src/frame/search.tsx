/** Search of the top bar: services by name, exchanges by path or by filter text, one exchange by its id. */
import type { RefObject } from "preact";
import { useState } from "preact/hooks";

import { exchangeHref, go, href, serviceHref } from "../address";
import { services } from "../api/client";
import { usePolled } from "../api/polled";
import { parse, text as filterText, toAddress } from "../exchanges/filter";
import { perMinute, text } from "../format/numbers";
import { Combobox, type Option } from "../parts/combobox";
import { Icon } from "../parts/icon";
import { range, rangeKey } from "../range";

interface Found extends Option {
  address: string;
}

const MOST_SERVICES = 7;

export function Search({ input }: { input: RefObject<HTMLInputElement | null> }) {
  const [value, setValue] = useState("");
  const [hasFocus, setFocus] = useState(false);
  // Asked for only while someone searches, and then once per range: names do not change that fast.
  const known = usePolled(hasFocus ? `search ${rangeKey.value}` : null, (signal) => services(range.value, signal), null);

  const wanted = value.trim();
  const found: Found[] = [];
  if (/^[0-9a-f]{32}$/.test(wanted)) found.push({ key: "id", label: "Open this exchange", address: exchangeHref(wanted) });
  for (const service of known.data?.services ?? []) {
    if (found.length >= MOST_SERVICES) break;
    if (!service.name.toLowerCase().includes(wanted.toLowerCase())) continue;
    found.push({
      key: `service ${service.name}`,
      label: service.name,
      hint: text(perMinute(service.calls_per_minute)),
      address: serviceHref(service.name),
    });
  }
  if (wanted !== "") {
    const { filters, misread } = parse(wanted);
    if (misread.length === 0) {
      found.push({ key: "exchanges", label: `Exchanges with ${filterText(filters)}`, address: href("/exchanges", toAddress(filters)) });
    }
  }

  const open = (target: Found | undefined): void => {
    if (target === undefined) return;
    setValue("");
    input.current?.blur();
    go(target.address);
  };

  return (
    <search class="search">
      <Icon name="search" />
      <Combobox
        label="Search services, paths and exchanges"
        placeholder="Service, path or filter"
        value={value}
        options={found}
        input={input}
        onValue={setValue}
        onChoose={open}
        onSubmit={() => open(wanted === "" ? undefined : found[0])}
        onFocus={() => setFocus(true)}
        onBlur={() => setFocus(false)}
      />
      <kbd class="search-key" aria-hidden="true">
        /
      </kbd>
    </search>
  );
}
