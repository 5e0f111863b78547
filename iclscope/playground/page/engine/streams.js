// Random numbers that are a pure function of (seed, purpose, step): iclscope/core/random_streams.py, number by number.
//
// A 64-bit word is two 32-bit ones here, since JavaScript has no 64-bit integers that are quick. BigInt opens a stream,
// once per purpose and step; it is never used for a single number.

const WORD = (1n << 64n) - 1n;
const STEP_MULTIPLIER = 0xd1342543de82ef95n;
const GAMMA_HIGH = 0x9e3779b9 | 0;
const GAMMA_LOW = 0x7f4a7c15 | 0;
const UNIT_53 = 2 ** -53;

const BLAKE_START = [
  0x6a09e667f3bcc908n, 0xbb67ae8584caa73bn, 0x3c6ef372fe94f82bn, 0xa54ff53a5f1d36f1n,
  0x510e527fade682d1n, 0x9b05688c2b3e6c1fn, 0x1f83d9abfb41bd6bn, 0x5be0cd19137e2179n,
];
const BLAKE_ORDER = [
  [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15], [14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3],
  [11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4], [7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8],
  [9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13], [2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9],
  [12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11], [13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10],
  [6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5], [10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0],
];
const BLAKE_LANES = [
  [0, 4, 8, 12], [1, 5, 9, 13], [2, 6, 10, 14], [3, 7, 11, 15],
  [0, 5, 10, 15], [1, 6, 11, 12], [2, 7, 8, 13], [3, 4, 9, 14],
];

/**
 * BLAKE2b (RFC 7693) with a digest of 8 bytes, of a text of at most 128 bytes.
 * @param {string} text
 * @returns {bigint} the digest as a little-endian number
 */
export function blake2b64(text) {
  const bytes = new TextEncoder().encode(text);
  if (bytes.length > 128) throw new RangeError("a text of at most 128 bytes was expected, got " + bytes.length);
  const block = new Uint8Array(128);
  block.set(bytes);
  const view = new DataView(block.buffer);
  const message = Array.from({ length: 16 }, (_, word) => view.getBigUint64(8 * word, true));
  const state = [...BLAKE_START];
  state[0] ^= 0x01010000n ^ 8n;
  const v = [...state, ...BLAKE_START];
  v[12] ^= BigInt(bytes.length);
  v[14] ^= WORD; // the only block is the last
  const turn = (word, by) => ((word >> by) | (word << (64n - by))) & WORD;
  for (let round = 0; round < 12; round++) {
    const order = BLAKE_ORDER[round % 10];
    BLAKE_LANES.forEach(([a, b, c, d], lane) => {
      v[a] = (v[a] + v[b] + message[order[2 * lane]]) & WORD;
      v[d] = turn(v[d] ^ v[a], 32n);
      v[c] = (v[c] + v[d]) & WORD;
      v[b] = turn(v[b] ^ v[c], 24n);
      v[a] = (v[a] + v[b] + message[order[2 * lane + 1]]) & WORD;
      v[d] = turn(v[d] ^ v[a], 16n);
      v[c] = (v[c] + v[d]) & WORD;
      v[b] = turn(v[b] ^ v[c], 63n);
    });
  }
  return state[0] ^ v[0] ^ v[8];
}

/** SplitMix64's output function on a BigInt, for the few words that open streams. */
function mixedWord(word) {
  let bits = ((word >> 30n) ^ word) * 0xbf58476d1ce4e5b9n & WORD;
  bits = ((bits >> 27n) ^ bits) * 0x94d049bb133111ebn & WORD;
  return (bits >> 31n) ^ bits;
}

/** One stream of random numbers. */
export class RandomStream {
  /** @param {bigint} key where it starts */
  constructor(key) {
    this.key = key;
  }

  /**
   * Open the stream of a seed and a purpose.
   * @param {number} seed a whole number
   * @param {string} purpose what the numbers are for
   */
  static of(seed, purpose) {
    return new RandomStream(blake2b64(`${purpose}\0${seed}`));
  }

  /** The stream of one step; streams of different steps are unrelated. */
  at(step) {
    return new RandomStream(mixedWord((this.key + BigInt(2 * step + 1) * STEP_MULTIPLIER) & WORD));
  }

  /**
   * Write the first numbers of the stream, uniform on [0, 1) with 53 random bits.
   * @param {Float64Array} out written wholly
   */
  uniformInto(out) {
    let high = Number(this.key >> 32n) | 0;
    let low = Number(this.key & 0xffffffffn) | 0;
    for (let i = 0; i < out.length; i++) {
      const sum = (low + GAMMA_LOW) | 0;
      const carry = sum >>> 0 < low >>> 0 ? 1 : 0;
      high = (high + GAMMA_HIGH + carry) | 0;
      low = sum;
      // bits ^= bits >> 30, times 0xBF58476D1CE4E5B9
      let h = high ^ (high >>> 30);
      let l = low ^ ((low >>> 30) | (high << 2));
      let l0 = l & 0xffff, l1 = l >>> 16;
      let p0 = Math.imul(l0, 0xe5b9), p1 = Math.imul(l0, 0x1ce4), p2 = Math.imul(l1, 0xe5b9);
      let middle = (p0 >>> 16) + (p1 & 0xffff) + (p2 & 0xffff);
      h = (Math.imul(l1, 0x1ce4) + (p1 >>> 16) + (p2 >>> 16) + (middle >>> 16)
        + Math.imul(h, 0x1ce4e5b9) + Math.imul(l, 0xbf58476d | 0)) | 0;
      l = (middle << 16) | (p0 & 0xffff);
      // bits ^= bits >> 27, times 0x94D049BB133111EB
      l0 = l ^ ((l >>> 27) | (h << 5));
      h ^= h >>> 27;
      l = l0;
      l0 = l & 0xffff;
      l1 = l >>> 16;
      p0 = Math.imul(l0, 0x11eb);
      p1 = Math.imul(l0, 0x1331);
      p2 = Math.imul(l1, 0x11eb);
      middle = (p0 >>> 16) + (p1 & 0xffff) + (p2 & 0xffff);
      h = (Math.imul(l1, 0x1331) + (p1 >>> 16) + (p2 >>> 16) + (middle >>> 16)
        + Math.imul(h, 0x133111eb) + Math.imul(l, 0x94d049bb | 0)) | 0;
      l = (middle << 16) | (p0 & 0xffff);
      // bits ^= bits >> 31; the upper 53 are the number
      l ^= (l >>> 31) | (h << 1);
      h ^= h >>> 31;
      out[i] = ((h >>> 0) * 2097152 + (l >>> 11)) * UNIT_53;
    }
  }

  /** The first numbers of the stream, uniform on [0, 1). */
  uniform(count) {
    const numbers = new Float64Array(count);
    this.uniformInto(numbers);
    return numbers;
  }

  /** Standard normal numbers, by the inverse distribution function. */
  normal(count) {
    // Half a unit in from both ends, where the inverse is infinite.
    return this.uniform(count).map((u) => inverseNormal(Math.min(Math.max(u, 0.5 * UNIT_53), 1 - UNIT_53)));
  }
}

const fraction = (over, under, x) => polynomial(over, x) / polynomial(under, x);
const polynomial = (coefficients, x) => coefficients.reduceRight((sum, c) => sum * x + c, 0);

// Wichura's rational approximations (Algorithm AS 241, Applied Statistics 37, 1988): relative error about 1e-16.
const CENTRE = [
  [3.387132872796366608, 1.3314166789178437745e2, 1.9715909503065514427e3, 1.3731693765509461125e4,
    4.5921953931549871457e4, 6.7265770927008700853e4, 3.3430575583588128105e4, 2.5090809287301226727e3],
  [1, 4.2313330701600911252e1, 6.871870074920579083e2, 5.3941960214247511077e3, 2.1213794301586595867e4,
    3.930789580009271061e4, 2.8729085735721942674e4, 5.226495278852854561e3],
];
const NEAR_TAIL = [
  [1.42343711074968357734, 4.6303378461565452959, 5.7694972214606914055, 3.64784832476320460504,
    1.27045825245236838258, 2.4178072517745061177e-1, 2.27238449892691845833e-2, 7.7454501427834140764e-4],
  [1, 2.05319162663775882187, 1.6763848301838038494, 6.8976733498510000455e-1, 1.4810397642748007459e-1,
    1.51986665636164571966e-2, 5.475938084995344946e-4, 1.05075007164441684324e-9],
];
const FAR_TAIL = [
  [6.6579046435011037772, 5.4637849111641143699, 1.7848265399172913358, 2.9656057182850489123e-1,
    2.6532189526576123093e-2, 1.2426609473880784386e-3, 2.71155556874348757815e-5, 2.01033439929228813265e-7],
  [1, 5.9983220655588793769e-1, 1.3692988092273580531e-1, 1.48753612908506148525e-2, 7.868691311456132591e-4,
    1.8463183175100546818e-5, 1.4215117583164458887e-7, 2.04426310338993978564e-15],
];

/**
 * The inverse of the standard normal distribution function.
 * @param {number} p in (0, 1)
 */
export function inverseNormal(p) {
  const q = p - 0.5;
  if (Math.abs(q) <= 0.425) return q * fraction(...CENTRE, 0.180625 - q * q);
  const r = Math.sqrt(-Math.log(q < 0 ? p : 1 - p));
  const size = r <= 5 ? fraction(...NEAR_TAIL, r - 1.6) : fraction(...FAR_TAIL, r - 5);
  return q < 0 ? -size : size;
}
