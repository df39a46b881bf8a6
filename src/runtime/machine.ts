// The machine -> how much memory it has, and how much of it is free; a container's limit counts as its size.
import { freemem, totalmem } from "node:os";

export interface MachineMemory {
  readonly total: number;
  /** What can be had without swapping; on Linux this counts what the file cache would give up. */
  readonly available: number;
}

export function machineMemory(): MachineMemory {
  const limit = process.constrainedMemory() || Number.POSITIVE_INFINITY;
  const total = Math.min(totalmem(), limit);
  return { total, available: Math.min(freemem(), total) };
}
