// What Li et al. 2024 (arXiv 2402.15607) predict, as formulas: iclscope/papers/li2024/theory.py and constants.py.
//
// The theorems give orders of growth, and their constants are not public: the laws here take the constant as 1. The
// constants c that they are multiplied by were taken once from a reference (docs/claims.md).

/** The risk ε that the theorems speak of, as the library tries it. */
export const EPSILON = 0.1;

/** T = Θ(η⁻¹ M1 (αβ)^(−2/3) √log M1) steps suffice (Theorem 3.3). */
export function trainingSteps({ eta, alpha, beta, M1 }) {
  return (M1 * (alpha * beta) ** (-2 / 3) * Math.sqrt(Math.log(M1))) / eta;
}

/** l_tr ≥ max{Ω(log M1 / α), Ω(1 / (β²α))} suffices (Theorem 3.3). */
export function trainingLength({ alpha, beta, M1 }) {
  return Math.max(Math.log(M1) / alpha, 1 / (beta * beta * alpha));
}

/** l_ts ≳ 1/α' suffices (Theorem 3.3). */
export function testingLength({ alpha_test }) {
  return 1 / alpha_test;
}

/** Ω(M1² log M1) neurons suffice (Theorem 3.3). */
export function neededWidth({ M1 }) {
  return M1 ** 2 * Math.log(M1);
}

/** B ≥ Ω(max{ε⁻², M1} log M1) prompts suffice (Theorem 3.3). */
export function neededBatch({ M1 }, epsilon = EPSILON) {
  return Math.max(1 / epsilon / epsilon, M1) * Math.log(M1);
}

/** 1/(M1−1), the share of all tasks that the smallest training set of Condition 3.2 holds. */
export function smallestTaskShare({ M1 }) {
  return 1 / (M1 - 1);
}

/** Removing all small neurons costs at most O(ε + M1^(−1/2)) (Theorem 3.7). */
export function pruningBoundSmall({ M1 }, epsilon = EPSILON) {
  return epsilon + M1 ** -0.5;
}

/** Small rows of W_O stay at a norm of at most O(1/√M2) (Theorem 3.7). */
export function smallNeuronNorm({ M2 }) {
  return M2 ** -0.5;
}

/** Whether Theorem 3.4's sufficient condition holds: S1 ≥ 1; here ν' always lies in span{ν}. */
export function oodGeneralizes({ S1 }) {
  return S1 >= 1;
}

// The reference: its setting, the most that any of its 20 models needed, and the margin on top.
const REFERENCE = { alpha: 0.8, beta: 1, M1: 4, eta: 1 };
const REFERENCE_NEEDS = { steps: 1284, length: 4, width: 8, batch: 16 };
const NEEDED_TESTING_LENGTH = 6;
const MARGIN = 1.5;

/** What Theorem 3.3 asks for, constants 1. */
export function laws(settings) {
  return {
    steps: trainingSteps(settings), length: trainingLength(settings), width: neededWidth(settings),
    batch: neededBatch(settings), length_test: testingLength(settings),
  };
}

/** The constant c of each law, from the reference. */
export const CONSTANTS = Object.freeze({
  ...Object.fromEntries(
    Object.entries(REFERENCE_NEEDS).map(([name, need]) => [name, (MARGIN * need) / laws({ ...REFERENCE, alpha_test: 1 })[name]]),
  ),
  length_test: MARGIN * NEEDED_TESTING_LENGTH,
});

/** c times what the theorem asks for. */
export function prescribed(settings) {
  return Object.fromEntries(Object.entries(laws(settings)).map(([name, law]) => [name, CONSTANTS[name] * law]));
}
