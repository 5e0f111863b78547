// Products of small matrices, whose rows lie one after the other. Four terms at a time: a sum that is kept in memory is
// then read and written a quarter as often, and a processor does not wait for one sum while it could work on another.

/** A B, for A [rows, inner] and B [inner, columns]. */
export function product(A, B, rows, inner, columns, out = new Float64Array(rows * columns)) {
  for (let i = 0; i < rows; i++) {
    const to = i * columns;
    const from = i * inner;
    for (let j = 0; j < columns; j++) out[to + j] = 0;
    let k = 0;
    for (; k + 3 < inner; k += 4) {
      const a0 = A[from + k], a1 = A[from + k + 1], a2 = A[from + k + 2], a3 = A[from + k + 3];
      addRows(out, to, B, k * columns, columns, a0, a1, a2, a3);
    }
    for (; k < inner; k++) {
      const a = A[from + k];
      for (let j = 0; j < columns; j++) out[to + j] += a * B[k * columns + j];
    }
  }
  return out;
}

/** Aᵀ B, for A [inner, rows] and B [inner, columns]. */
export function productLeft(A, B, inner, rows, columns, out = new Float64Array(rows * columns)) {
  out.fill(0);
  addProductLeft(A, B, inner, rows, columns, out);
  return out;
}

/** Add Aᵀ B to a matrix, for A [inner, rows] and B [inner, columns]. */
export function addProductLeft(A, B, inner, rows, columns, out) {
  for (let i = 0; i < rows; i++) {
    const to = i * columns;
    let k = 0;
    for (; k + 3 < inner; k += 4) {
      const at = k * rows + i;
      const a0 = A[at], a1 = A[at + rows], a2 = A[at + 2 * rows], a3 = A[at + 3 * rows];
      addRows(out, to, B, k * columns, columns, a0, a1, a2, a3);
    }
    for (; k < inner; k++) {
      const a = A[k * rows + i];
      for (let j = 0; j < columns; j++) out[to + j] += a * B[k * columns + j];
    }
  }
}

/** Add four rows of a matrix, each times a number. */
function addRows(out, to, B, first, columns, a0, a1, a2, a3) {
  const second = first + columns;
  const third = second + columns;
  const fourth = third + columns;
  for (let j = 0; j < columns; j++) {
    out[to + j] += a0 * B[first + j] + a1 * B[second + j] + a2 * B[third + j] + a3 * B[fourth + j];
  }
}

/**
 * A Bᵀ, for A [rows, inner] and B [columns, inner].
 * @param {number} begin where in A its first row begins
 */
export function productRight(A, B, rows, inner, columns, out = new Float64Array(rows * columns), begin = 0) {
  const whole = columns - (columns % 4);
  for (let i = 0; i < rows; i++) {
    const from = begin + i * inner;
    const to = i * columns;
    for (let j = 0; j < whole; j += 4) {
      let r0 = j * inner, r1 = r0 + inner, r2 = r1 + inner, r3 = r2 + inner;
      let s0 = 0, s1 = 0, s2 = 0, s3 = 0;
      for (let k = from; k < from + inner; k++) {
        const a = A[k];
        s0 += a * B[r0++];
        s1 += a * B[r1++];
        s2 += a * B[r2++];
        s3 += a * B[r3++];
      }
      out[to + j] = s0;
      out[to + j + 1] = s1;
      out[to + j + 2] = s2;
      out[to + j + 3] = s3;
    }
    for (let j = whole; j < columns; j++) {
      let sum = 0;
      for (let k = 0; k < inner; k++) sum += A[from + k] * B[j * inner + k];
      out[to + j] = sum;
    }
  }
  return out;
}
