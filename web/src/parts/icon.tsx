/** The page's own icons: 16 × 16, drawn with strokes in the colour of the text around them. Decorative: labels say the rest. */

const PATHS = {
  services: "M2.5 4h11M2.5 8h8M2.5 12h5",
  topology: "M3.5 8a1.5 1.5 0 1 0 0-.01zM10.5 3.5a1.5 1.5 0 1 0 3 0a1.5 1.5 0 1 0-3 0zM10.5 12.5a1.5 1.5 0 1 0 3 0a1.5 1.5 0 1 0-3 0zM6.2 7.2l4.4-2.8M6.2 8.8l4.4 2.8",
  compare: "M3 13V7M6.5 13V3M10 13V9.5M13.5 13V5M1.5 13.5h13",
  exchanges: "M2.5 5.5h10M10 3l2.5 2.5L10 8M13.5 10.5h-10M6 8l-2.5 2.5L6 13",
  nodes: "M3 2.5h10v4.5H3zM3 9h10v4.5H3zM5.5 4.75h.01M5.5 11.25h.01M8.5 4.75h2M8.5 11.25h2",
  search: "M7 12A5 5 0 1 0 7 2a5 5 0 0 0 0 10zM10.6 10.6 14 14",
  clock: "M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12zM8 4.8V8l2.2 1.6",
  refresh: "M13.3 6.5A5.5 5.5 0 0 0 3.2 5M2.7 2.5V5.5h3M2.7 9.5a5.5 5.5 0 0 0 10.1 1.5M13.3 13.5v-3h-3",
  sun: "M8 10.8a2.8 2.8 0 1 0 0-5.6 2.8 2.8 0 0 0 0 5.6zM8 1.5v1M8 13.5v1M1.5 8h1M13.5 8h1M3.4 3.4l.7.7M11.9 11.9l.7.7M3.4 12.6l.7-.7M11.9 4.1l.7-.7",
  moon: "M13.5 9.6A5.8 5.8 0 1 1 6.4 2.5a4.6 4.6 0 0 0 7.1 7.1z",
  system: "M2 3h12v8H2zM6 13.5h4M8 11v2.5",
  help: "M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12zM6.3 6.3a1.75 1.75 0 1 1 2.5 1.6c-.5.25-.8.6-.8 1.2M8 11.4h.01",
  pause: "M5.5 3.5v9M10.5 3.5v9",
  play: "M5 3.2v9.6L12.5 8z",
  copy: "M5.5 5.5h8v8h-8zM10.5 5.5v-3h-8v8h3",
  check: "M3 8.5 6.5 12 13 4.5",
  cross: "M4 4l8 8M12 4l-8 8",
  up: "M8 13V3.5M4 7.2 8 3.2l4 4",
  down: "M8 3v9.5M4 8.8l4 4 4-4",
  left: "M9.8 3.5 5.3 8l4.5 4.5",
  right: "M6.2 3.5 10.7 8l-4.5 4.5",
  chevron: "M4 6.2l4 4 4-4",
  warning: "M8 2.3 14.3 13.3H1.7zM8 6.5v3.2M8 11.6h.01",
  failure: "M5.5 2h5L14 5.5v5L10.5 14h-5L2 10.5v-5zM8 5v3.6M8 11h.01",
  columns: "M2.5 3h11v10h-11zM6.2 3v10M9.8 3v10",
  link: "M6.8 9.2a2.5 2.5 0 0 0 3.6 0l2.3-2.3a2.55 2.55 0 0 0-3.6-3.6l-.9.9M9.2 6.8a2.5 2.5 0 0 0-3.6 0L3.3 9.1a2.55 2.55 0 0 0 3.6 3.6l.9-.9",
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name, label }: { name: IconName; label?: string }) {
  return (
    <svg
      class={`icon icon-${name}`}
      viewBox="0 0 16 16"
      width="16"
      height="16"
      role={label === undefined ? undefined : "img"}
      aria-label={label}
      aria-hidden={label === undefined ? "true" : undefined}
    >
      <path d={PATHS[name]} />
    </svg>
  );
}
