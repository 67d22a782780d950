import { useEffect, useState } from "preact/hooks";
import type { Edge } from "../edge.ts";

/** The time, moved on each second while something on the page counts. */
export function useNow(edge: Edge, isCounting: boolean): number {
  const [, tick] = useState(0);
  useEffect(() => {
    if (!isCounting) return undefined;
    let cancel = (): void => undefined;
    const wait = (): void => {
      cancel = edge.setTimer(1_000, () => {
        tick((count) => count + 1);
        wait();
      });
    };
    wait();
    return () => cancel();
  }, [edge, isCounting]);
  return edge.now();
}
