// Allocations and releases one after another -> the memory that onnxruntime's CPU arena touches for them.
// Source: https://github.com/microsoft/onnxruntime/blob/main/onnxruntime/core/framework/bfc_arena.cc

interface Chunk {
  readonly region: Region;
  offset: number;
  size: number;
  free: boolean;
  previous: Chunk | undefined;
  next: Chunk | undefined;
}

interface Region {
  readonly size: number;
  /** End of the highest allocation so far: pages above it are never touched. */
  touched: number;
}

export interface Arena {
  allocate(bytes: number): Chunk;
  release(chunk: Chunk): void;
  /** Bytes in use now. */
  readonly used: number;
  /** Bytes that were in use at any time, as the system counts them: an arena gives nothing back. */
  readonly resident: number;
}

const GRANULE = 256;
const FIRST_REGION = 1 << 20;
const LARGEST_REGION = 1 << 30;
/** A free chunk that is larger by this much is split, however large the request. */
const DEAD_BYTES = 128 << 20;

/** A best-fit arena that grows by regions of doubling size. */
export function createArena(): Arena {
  const free: Chunk[] = []; // by size, then by age
  const regions: Region[] = [];
  let nextRegion = FIRST_REGION;
  let used = 0;

  const insert = (chunk: Chunk) => {
    chunk.free = true;
    free.splice(firstAtLeast(free, chunk.size), 0, chunk);
  };
  const remove = (chunk: Chunk) => {
    chunk.free = false;
    free.splice(free.indexOf(chunk, firstAtLeast(free, chunk.size)), 1);
  };
  const grow = (wanted: number): Chunk => {
    let doubled = false;
    while (wanted > nextRegion) {
      nextRegion *= 2;
      doubled = true;
    }
    const region: Region = { size: nextRegion, touched: 0 };
    if (!doubled) nextRegion = Math.min(nextRegion * 2, LARGEST_REGION);
    regions.push(region);
    const chunk: Chunk = {
      region,
      offset: 0,
      size: region.size,
      free: true,
      previous: undefined,
      next: undefined,
    };
    insert(chunk);
    return chunk;
  };

  return {
    get used() {
      return used;
    },
    get resident() {
      return regions.reduce((sum, region) => sum + region.touched, 0);
    },
    allocate(bytes) {
      const wanted = Math.max(GRANULE, Math.ceil(bytes / GRANULE) * GRANULE);
      const chunk = free[firstAtLeast(free, wanted)] ?? grow(wanted);
      remove(chunk);
      if (chunk.size >= 2 * wanted || chunk.size - wanted >= DEAD_BYTES) {
        const { region, next } = chunk;
        const rest: Chunk = {
          region,
          offset: chunk.offset + wanted,
          size: chunk.size - wanted,
          free: true,
          previous: chunk,
          next,
        };
        if (next) next.previous = rest;
        chunk.next = rest;
        chunk.size = wanted;
        insert(rest);
      }
      chunk.region.touched = Math.max(chunk.region.touched, chunk.offset + wanted);
      used += chunk.size;
      return chunk;
    },
    release(chunk) {
      used -= chunk.size;
      const { previous, next } = chunk;
      if (next?.free) {
        remove(next);
        join(chunk, next);
      }
      if (previous?.free) {
        remove(previous);
        join(previous, chunk);
        insert(previous);
      } else insert(chunk);
    },
  };
}

export type { Chunk };

function join(left: Chunk, right: Chunk): void {
  left.size += right.size;
  left.next = right.next;
  if (right.next) right.next.previous = left;
}

/** Place of the first chunk of at least this size. */
function firstAtLeast(sorted: readonly Chunk[], size: number): number {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle]!.size < size) low = middle + 1;
    else high = middle;
  }
  return low;
}
