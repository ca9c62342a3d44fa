/** The width of an element, followed as it changes. */
import { useLayoutEffect, useRef, useState } from "preact/hooks";

export function useWidth(): [{ current: HTMLDivElement | null }, number] {
  const box = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(0);
  useLayoutEffect(() => {
    const of = box.current;
    if (of === null) return undefined;
    const look = (): void => setWidth(of.clientWidth);
    look();
    const observer = new ResizeObserver(look);
    observer.observe(of);
    return () => observer.disconnect();
  }, []);
  return [box, width];
}
