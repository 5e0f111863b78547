/** The six steps of the tour: what each shows, and which answer is right. The words are in the texts. */

/**
 * @typedef {object} TourStep
 * @property {object} state - what differs from the standard state
 * @property {string[]} panels - what is shown
 * @property {string[]} domains - of the prompts
 * @property {string[]} charts - of the curves
 * @property {string[]} settings - that can be moved beside the text
 * @property {string} [pace] - how fast it trains when played, if not at full speed
 * @property {number} choices - answers to choose from
 * @property {number} right - the right one, from 1
 */

/** @type {TourStep[]} */
export const TOUR_STEPS = [
  { state: { steps: 400 }, panels: ["prompt"], domains: ["in"], charts: [], settings: [], choices: 3, right: 2 },
  {
    state: { steps: 0 },
    panels: ["prompt", "curves"],
    domains: ["in"],
    charts: ["error", "attention"],
    settings: [],
    choices: 3,
    right: 1,
  },
  {
    state: { steps: 0 },
    panels: ["prompt", "curves"],
    domains: ["in"],
    charts: ["attention", "norm", "risk", "error"],
    pace: "slow",
    settings: ["alpha", "eta"],
    choices: 3,
    right: 3,
  },
  {
    state: { steps: 400 },
    panels: ["neurons", "prompt"],
    domains: ["in"],
    charts: [],
    settings: ["seed"],
    pace: "slow",
    choices: 3,
    right: 1,
  },
  {
    state: { steps: 400, map: "S1-alpha" },
    panels: ["prompt", "curves", "map"],
    domains: ["in", "out"],
    charts: ["risk", "error"],
    settings: ["S1", "alpha_test"],
    choices: 3,
    right: 2,
  },
  {
    state: { steps: 400 },
    panels: ["pruning", "neurons"],
    domains: [],
    charts: [],
    settings: ["width"],
    choices: 3,
    right: 3,
  },
];

/** How fast a step of the tour trains; 0 stands for the page without a tour. */
export function tourPace(number) {
  return tourStep(number)?.pace ?? "full";
}

/** What a part of the tour shows; null outside it. */
export function tourStep(number) {
  return TOUR_STEPS[number - 1] ?? null;
}
