// Ready-made scenes: what differs from the standard settings, and the step at which there is something to see.

/** @type {{id: string, settings: object, steps: number}[]} */
export const SCENES = [
  { id: "stuck", settings: { alpha: 0.05 }, steps: 800 },
  { id: "broken", settings: { tasks: "broken" }, steps: 400 },
  { id: "negative", settings: { S1: -1.4 }, steps: 200 },
  // Both neurons of some seeds vote alike, and nothing can be learned; those of others do not.
  { id: "narrow", settings: { width: 2, seed: 3, seeds: 4 }, steps: 300 },
  { id: "strong", settings: { beta: 3 }, steps: 60 },
];
