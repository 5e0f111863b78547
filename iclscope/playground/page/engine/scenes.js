// Ready-made scenes: what differs from the standard settings, and the step at which there is something to see.

/** @type {{id: string, settings: object, steps: number}[]} */
export const SCENES = [
  { id: "stuck", settings: { alpha: 0.2 }, steps: 400 },
  { id: "broken", settings: { tasks: "broken" }, steps: 400 },
  { id: "negative", settings: { S1: -1 }, steps: 200 },
  { id: "narrow", settings: { width: 4 }, steps: 400 },
  { id: "strong", settings: { beta: 3 }, steps: 200 },
];
