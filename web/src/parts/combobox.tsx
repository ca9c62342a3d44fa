/** A text field with suggestions below it (the combobox pattern of ARIA): arrows choose, Enter takes, Escape leaves. */
import type { ComponentChildren, RefObject } from "preact";
import { useId, useState } from "preact/hooks";

export interface Option {
  /** Unique within the list. */
  key: string;
  label: ComponentChildren;
  hint?: string;
}

export interface ComboboxProps<T extends Option> {
  label: string;
  placeholder: string;
  value: string;
  options: readonly T[];
  /** What was typed; returns what shall stand in the field. */
  onValue: (value: string) => string;
  /** An option was chosen while this was typed; returns what shall stand in the field. */
  onChoose: (option: T, value: string) => string;
  /** Enter with nothing chosen; returns what shall stand in the field. */
  onSubmit: (value: string) => string;
  /** Backspace in the empty field. */
  onEmptyBackspace?: () => void;
  input: RefObject<HTMLInputElement | null>;
  onFocus?: () => void;
  onBlur?: () => void;
}

export function Combobox<T extends Option>(props: ComboboxProps<T>) {
  const { options, input } = props;
  const id = useId();
  const [isOpen, setOpen] = useState(false);
  const [active, setActive] = useState(-1);
  const shown = isOpen && options.length > 0;
  const activeOption = shown ? options[active] : undefined;

  // At once, not with the next drawing: the next key may come before it, and would add to the old text.
  const write = (value: string): void => {
    if (input.current !== null && input.current.value !== value) input.current.value = value;
  };

  const choose = (option: T): void => {
    setActive(-1);
    write(props.onChoose(option, input.current?.value ?? ""));
  };

  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.isComposing) return;
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      setOpen(true);
      const step = event.key === "ArrowDown" ? 1 : -1;
      setActive((at) => Math.max(-1, Math.min(options.length - 1, at + step)));
    } else if (event.key === "Enter") {
      event.preventDefault();
      if (activeOption !== undefined) choose(activeOption);
      else write(props.onSubmit(input.current?.value ?? ""));
    } else if (event.key === "Tab" && activeOption !== undefined) {
      event.preventDefault();
      choose(activeOption);
    } else if (event.key === "Escape" && shown) {
      event.stopPropagation();
      setOpen(false);
      setActive(-1);
    } else if (event.key === "Backspace" && input.current?.value === "" && props.onEmptyBackspace !== undefined) {
      event.preventDefault();
      props.onEmptyBackspace();
    }
  };

  return (
    <>
      <input
        ref={input}
        type="text"
        role="combobox"
        class="combobox-input"
        aria-label={props.label}
        aria-expanded={shown}
        aria-controls={`${id}-list`}
        aria-autocomplete="list"
        aria-activedescendant={activeOption === undefined ? undefined : `${id}-${active}`}
        placeholder={props.placeholder}
        value={props.value}
        autocomplete="off"
        autocapitalize="off"
        spellcheck={false}
        enterkeyhint="search"
        onInput={(event) => {
          setOpen(true);
          setActive(-1);
          write(props.onValue(event.currentTarget.value));
        }}
        onFocus={() => {
          setOpen(true);
          props.onFocus?.();
        }}
        onBlur={() => {
          setOpen(false);
          setActive(-1);
          props.onBlur?.();
        }}
        onKeyDown={onKeyDown}
      />
      <div id={`${id}-list`} role="listbox" aria-label={props.label} class="menu-panel menu-left combobox-list" hidden={!shown}>
        {shown &&
          options.map((option, index) => (
            <div
              key={option.key}
              id={`${id}-${index}`}
              role="option"
              tabIndex={-1}
              aria-selected={index === active}
              class="menu-item"
              // Before the field loses the focus, which would close the list under the pointer.
              onPointerDown={(event) => {
                event.preventDefault();
                choose(option);
              }}
            >
              <span class="combobox-label">{option.label}</span>
              {option.hint !== undefined && <span class="muted">{option.hint}</span>}
            </div>
          ))}
      </div>
    </>
  );
}
