// For each claim of Li 2024 that one training can show: its quantity now, and whether that lies in the claim's region.
//
// This is no verdict. A verdict needs seeds, intervals and controls (docs/claims.md); one training only shows where it is.

import { conditions } from "./conditions.js";
import { EPSILON, pruningBoundSmall } from "./formulas.js";

/**
 * @typedef {object} ClaimNow
 * @property {string} id as in the library's reports
 * @property {"exact"|"sufficient"|"upper bound"|"lower bound"|"published"|"ours"} form
 * @property {string} source
 * @property {{low: number, high: number}} expected the region, infinite at an open end
 * @property {number} value of its quantity now; NaN where it cannot be measured
 * @property {boolean|null} met whether the value lies in the region; null where it cannot be measured
 * @property {boolean} applies whether these settings meet the conditions with constants; otherwise the claim is silent
 */

const atMost = (high) => ({ low: -Infinity, high });
const atLeast = (low) => ({ low, high: Infinity });

/** The claims: what is measured, from what is known now. */
const CLAIMS = [
  ["thm3.3-generalization", "sufficient", "Theorem 3.3", () => atMost(EPSILON), ({ row }) => row.risk_in],
  ["thm3.3-generalization-error", "published", "Theorem 3.3 and Section 4", () => atMost(0.01), ({ row }) => row.error_in],
  ["thm3.4-ood", "sufficient", "Theorem 3.4", () => atMost(EPSILON), ({ row }) => row.risk_out],
  ["thm3.4-ood-error", "published", "Section 4", () => atMost(0.01), ({ row }) => row.error_out],
  ["prop4.1-concentration-in-domain", "sufficient", "Proposition 4.1", () => atLeast(0.9), ({ row }) => row.attention_in],
  ["prop4.1-concentration-out-of-domain", "sufficient", "Proposition 4.1", () => atLeast(0.9), ({ row }) => row.attention_out],
  ["prop4.1-projection-query", "exact", "Proposition 4.1", () => atLeast(2), (now) => grown(now, now.row.query_relevant)],
  ["prop4.1-projection-key", "exact", "Proposition 4.1", () => atLeast(2), (now) => grown(now, now.row.key_relevant)],
  ["prop4.2-feature", "exact", "Proposition 4.2", () => ({ low: 0, high: Math.PI / 8 }), ({ neurons }) =>
    meanAngle(neurons, neurons.cosineFeature, (kind) => kind > 0)],
  ["prop4.2-label-plus", "exact", "Proposition 4.2", () => ({ low: 0, high: Math.PI / 6 }), ({ neurons }) =>
    meanAngle(neurons, neurons.cosineLabel, (kind) => kind === 1)],
  ["prop4.2-label-minus", "exact", "Proposition 4.2", () => ({ low: (5 * Math.PI) / 6, high: Math.PI }), ({ neurons }) =>
    meanAngle(neurons, neurons.cosineLabel, (kind) => kind === 2)],
  ["thm3.7-two-groups", "exact", "Theorem 3.7", () => atLeast(2), ({ neurons }) =>
    meanNorm(neurons, (kind) => kind > 0) / meanNorm(neurons, (kind) => kind === 0)],
  ["thm3.7-small-norm", "ours", "Theorem 3.7", () => atMost(1), ({ neurons, settings }) =>
    meanNorm(neurons, (kind) => kind === 0) * Math.sqrt(settings.M2)],
  ["thm3.7-prune-small", "upper bound", "Theorem 3.7", (settings) => atMost(pruningBoundSmall(settings)), (now) => costOfSmall(now)],
  ["thm3.7-prune-small-free", "ours", "Theorem 3.7", () => atMost(0.05), (now) => costOfSmall(now)],
];

// What Theorem 3.3 asks for with constants; without it no claim that something suffices says anything.
const DECIDED = ["tasks", "eta", "beta", "kappa", "delta"];

/**
 * The claims at what was measured last.
 * @param {object} settings
 * @param {object} row the last record
 * @param {object} pruning as frames have it
 * @param {object} neurons likewise
 * @param {number} eta the step size now
 * @returns {ClaimNow[]}
 */
export function claimsNow(settings, row, pruning, neurons, eta = settings.eta) {
  const asked = conditions(settings, row.step, eta);
  const isMet = (id) => asked.find((condition) => condition.id === id).met;
  return CLAIMS.map(([id, form, source, region, quantity]) => {
    const value = quantity({ settings, row, pruning, neurons }) ?? NaN;
    const expected = region(settings);
    const names = id.startsWith("thm3.4") ? [...DECIDED, "S1"] : DECIDED;
    const met = Number.isNaN(value) ? null : value >= expected.low && value <= expected.high;
    return { id, form, source, expected, value, met, applies: names.every(isMet) };
  });
}

/** How many times its part along the pattern is what it was at first, δβ. */
function grown({ settings }, part) {
  return part / (settings.delta * settings.beta || NaN);
}

function meanOf(values) {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function meanAngle({ kind }, cosines, belongs) {
  const angles = Array.from(cosines, (cosine) => Math.acos(Math.min(1, Math.max(-1, cosine))));
  return meanOf(angles.filter((_, neuron) => belongs(kind[neuron])));
}

function meanNorm({ kind, norm }, belongs) {
  return meanOf(Array.from(norm).filter((_, neuron) => belongs(kind[neuron])));
}

/** The rise of the out-of-domain risk when all small neurons go; NaN where there are none. */
function costOfSmall({ pruning, neurons }) {
  const small = neurons.kind.filter((kind) => kind === 0).length;
  return small === 0 ? NaN : pruning.risk.out[small] - pruning.risk.out[0];
}
