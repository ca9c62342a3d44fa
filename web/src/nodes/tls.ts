/** Blind windows as they are shown: of processes that were there before rover only how many, of others how long. */
import type { BlindWindow } from "../api/types";

export interface Blind {
  /** The longest first. */
  younger: readonly BlindWindow[];
  /** Processes that ran before rover: until then nobody looked. */
  older: number;
}

export function blind(windows: readonly BlindWindow[]): Blind {
  const younger = windows.filter((window) => !window.is_older).toSorted((a, b) => b.blind_ns - a.blind_ns);
  const older = new Set(windows.filter((window) => window.is_older).map((window) => window.pid));
  return { younger, older: older.size };
}
