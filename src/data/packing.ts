// Lengths of rows and a limit -> which rows share a sequence; no row is split.
import { fail } from "../errors.js";

/**
 * Best fit decreasing: the longest rows first, each into the sequence with the least room that still takes it.
 * Rows of equal length are taken in the given order. Another order changes which rows meet, but neither the number of
 * sequences nor their lengths. As TRL's packing_strategy "bfd" (trl/data_utils.py, _pack_bfd).
 * @param lengths of all rows, in tokens
 * @param order the rows to pack: indices into `lengths`
 * @param limit the longest sequence, in tokens
 * @returns the rows of each sequence
 */
export function packRows(lengths: readonly number[], order: readonly number[], limit: number): number[][] {
  const sequences: number[][] = [];
  // Sequences that have room, by how much; the amounts that occur, ascending.
  const byRoom = new Map<number, number[][]>();
  const rooms: number[] = [];
  const offer = (sequence: number[], room: number): void => {
    if (room === 0) return;
    const others = byRoom.get(room);
    if (others) others.push(sequence);
    else {
      byRoom.set(room, [sequence]);
      rooms.splice(firstAtLeast(rooms, room), 0, room);
    }
  };
  for (const row of [...order].sort((a, b) => lengths[b]! - lengths[a]!)) {
    const length = lengths[row]!;
    if (length > limit)
      fail("data", `row ${row + 1} has ${length} tokens; a sequence has room for ${limit}`, {
        fix: "cut the rows to the length of a sequence",
      });
    const at = firstAtLeast(rooms, length);
    const room = rooms[at];
    if (room === undefined) {
      const sequence = [row];
      sequences.push(sequence);
      offer(sequence, limit - length);
      continue;
    }
    const candidates = byRoom.get(room)!;
    const sequence = candidates.pop()!;
    if (candidates.length === 0) {
      byRoom.delete(room);
      rooms.splice(at, 1);
    }
    sequence.push(row);
    offer(sequence, room - length);
  }
  return sequences;
}

/** Index of the first of ascending numbers that is at least `wanted`; their count when there is none. */
function firstAtLeast(ascending: readonly number[], wanted: number): number {
  let [low, high] = [0, ascending.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (ascending[middle]! < wanted) low = middle + 1;
    else high = middle;
  }
  return low;
}
