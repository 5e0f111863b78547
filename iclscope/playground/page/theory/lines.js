// What the theory says where the page draws it: boundaries and bounds, each with its form.

import { CONSTANTS, EPSILON, prescribed, pruningBoundSmall, smallNeuronNorm } from "./formulas.js";

/**
 * @typedef {object} TheoryLines
 * @property {number} risk ε: the hinge risk that Theorems 3.3 and 3.4 promise, at most
 * @property {number} error the dashed line of the paper's figures
 * @property {number} steps c times the steps of Theorem 3.3, after which the risk is at most ε (sufficient)
 * @property {number|null} attention 1 − η^C with C taken as 1 (Proposition 4.1, lower bound); null at η ≥ 1: no statement
 * @property {null} attentionOverSteps the theory gives no curve
 * @property {number} queryAtLeast twice what the query's relevant part begins with: "grows along it" (Proposition 4.1)
 * @property {(alphaTest: number) => number} lengthTest c/α' columns suffice (Theorem 3.3): the boundary of the map
 * @property {number} S1 1: from there on Theorem 3.4 promises generalization out of domain (sufficient)
 * @property {number} smallNorm 1/√M2, the norm at which small rows of W_O stay, constant 1 (Theorem 3.7, upper bound)
 * @property {number} costOfSmall ε + M1^(−1/2), what removing all small neurons costs at most, constant 1 (Theorem 3.7)
 */

/** @param {object} settings @param {number} eta the step size now @returns {TheoryLines} */
export function theoryLines(settings, eta = settings.eta) {
  return {
    risk: EPSILON,
    error: 0.01,
    steps: prescribed({ ...settings, eta }).steps,
    attention: eta < 1 ? 1 - eta : null,
    attentionOverSteps: null,
    queryAtLeast: 2 * settings.delta * settings.beta,
    lengthTest: (alphaTest) => CONSTANTS.length_test / alphaTest,
    S1: 1,
    smallNorm: smallNeuronNorm(settings),
    costOfSmall: pruningBoundSmall(settings),
  };
}
