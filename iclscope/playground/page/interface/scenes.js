/** Ready-made states that show what goes right and what goes wrong. */

import { SCENES } from "../engine/scenes.js";
import { STANDARD } from "../engine/settings.js";
import { element, setAttributes } from "./dom.js";

const STANDARD_SCENE = { id: "standard", settings: {}, steps: 0 };

/**
 * The row of scenes, and a line on what to look at in the one that is shown.
 *
 * @param {object} session
 * @param {object} words
 */
export function sceneRow(session, words) {
  const all = [STANDARD_SCENE, ...SCENES];
  const buttons = all.map((scene) =>
    element("button", {
      type: "button",
      "data-scene": scene.id,
      text: words.text(`scene.${scene.id}.title`),
      onclick: () =>
        session.adopt({
          settings: { ...STANDARD, ...scene.settings },
          steps: scene.steps,
          changes: [],
          shown: 0,
          pruned: 0,
          prompts: { in: null, out: null },
        }),
    }),
  );
  const row = element("div", { class: "choices" }, ...buttons);
  const text = element("p", { class: "scene-text" });
  const node = element(
    "section",
    { class: "scenes", id: "scenes", "aria-labelledby": "title-scenes" },
    element("h2", { id: "title-scenes", class: "scene-title", text: words.text("scenes.title") }),
    row,
    text,
  );
  let shown = null;
  const draw = () => {
    const current = all.find((scene) => sameSettings({ ...STANDARD, ...scene.settings }, session.state.settings));
    if (current && current !== shown) bringIntoRow(row, buttons[all.indexOf(current)]);
    shown = current;
    all.forEach((scene, index) => setAttributes(buttons[index], { "aria-pressed": String(scene === current) }));
    setAttributes(text, { text: current ? words.text(`scene.${current.id}.text`) : words.text("scene.own") });
  };
  return { node, draw };
}

/** On a phone the row scrolls; the page must not. */
function bringIntoRow(row, button) {
  row.scrollLeft = button.offsetLeft - row.offsetLeft - 8;
}

const sameSettings = (one, other) => Object.keys(one).every((name) => one[name] === other[name]);
