// Seeds -> reproducible random numbers, the same on every machine.

/** A stream of random numbers. */
export interface Random {
  /** Uniform over 0 … 2³² − 1. */
  nextUint32(): number;
  /** Uniform in [0, 1) with 53 random bits. */
  nextFloat(): number;
  /** Standard normal. */
  normal(): number;
  /** A shuffled copy (Fisher-Yates). */
  shuffle<T>(items: readonly T[]): T[];
}

/**
 * A stream that depends on nothing but its arguments: different words after the seed give independent streams.
 * The generator is sfc32 (Doty-Humphrey), seeded by FNV-1a hashes. Source: https://pracrand.sourceforge.net/RNG_engines.txt
 */
export function createRandom(seed: number | string, ...stream: readonly (number | string)[]): Random {
  const text = [seed, ...stream].join("/");
  let [a, b, c] = [fnv1a(`a${text}`), fnv1a(`b${text}`), fnv1a(`c${text}`)];
  let counter = 1;
  const nextUint32 = (): number => {
    const t = (((a + b) | 0) + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (c << 21) | (c >>> 11);
    c = (c + t) | 0;
    return t >>> 0;
  };
  // The first outputs still show the seed's structure.
  for (let i = 0; i < 15; i++) nextUint32();
  const nextFloat = (): number => ((nextUint32() >>> 5) * 2 ** 26 + (nextUint32() >>> 6)) / 2 ** 53;
  let spare: number | undefined;
  return {
    nextUint32,
    nextFloat,
    normal() {
      if (spare !== undefined) {
        const value = spare;
        spare = undefined;
        return value;
      }
      // Box-Muller; 1 − u keeps the logarithm finite.
      const radius = Math.sqrt(-2 * Math.log(1 - nextFloat()));
      const angle = 2 * Math.PI * nextFloat();
      spare = radius * Math.sin(angle);
      return radius * Math.cos(angle);
    },
    shuffle(items) {
      const shuffled = [...items];
      for (let i = shuffled.length - 1; i > 0; i--) {
        const j = Math.floor(nextFloat() * (i + 1));
        [shuffled[i], shuffled[j]] = [shuffled[j]!, shuffled[i]!];
      }
      return shuffled;
    },
  };
}

function fnv1a(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash;
}
