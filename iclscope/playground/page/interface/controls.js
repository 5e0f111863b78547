/** Controls for every setting, made from the engine's list of them. */

import { SETTINGS, taskChoices } from "../engine/settings.js";
import { element, setAttributes } from "./dom.js";
import { helpOnDemand } from "./panel.js";
import { numberText } from "./words.js";

const SETTING_GROUPS = ["prompt", "test", "training", "model", "patterns"];

/**
 * All controls, in groups.
 *
 * @param {object} session
 * @param {object} words
 */
export function controls(session, words) {
  const made = SETTINGS.filter(({ name }) => !session.state.hidden.includes(name)).map((setting) => ({
    setting,
    control: settingControl(session, words, setting),
  }));
  const groups = SETTING_GROUPS.map((group) => {
    const members = made.filter(({ setting }) => setting.group === group);
    if (members.length === 0) return null;
    return element(
      "fieldset",
      { class: `group group-${group}` },
      element("legend", { text: words.text(`group.${group}`) }),
      ...members.map(({ control }) => control.node),
    );
  });
  // On a phone settings would push everything else out of sight.
  const node = element(
    "details",
    { class: "panel panel-settings", id: "panel-settings", open: window.matchMedia("(min-width: 56rem)").matches },
    element("summary", {}, element("h2", { text: words.text("panel.settings.title") })),
    element("p", { class: "lead", text: words.text("panel.settings.lead") }),
    ...groups,
  );
  return { node, draw: () => made.forEach(({ control }) => control.draw()) };
}

/** One setting: its symbol and name, its value, something to move, and a line of help on demand. */
export function settingControl(session, words, setting) {
  const { name, symbol } = setting;
  const id = `setting-${name}`;
  const help = helpOnDemand(words, {
    id: `${id}-help`,
    name: words.text(`setting.${name}.name`),
    text: words.text(`setting.${name}.help`),
  });
  const output = element("output", { class: "setting-value", for: id });
  const input = inputOf(session, words, setting, id);
  const node = element(
    "div",
    { class: "setting", "data-setting": name },
    element(
      "div",
      { class: "setting-head" },
      element(
        "label",
        { for: id },
        symbol ? element("i", { class: "symbol", math: symbol }) : null,
        `${symbol ? " " : ""}${words.text(`setting.${name}.name`)}`,
      ),
      setting.restart
        ? null
        : element("span", {
            class: "live",
            text: words.text("setting.live"),
            title: words.text("setting.live.help"),
          }),
      help.button,
      isSlider(setting) ? output : null,
    ),
    input.node,
    help.node,
  );
  const draw = () => {
    const value = session.value(name);
    input.show(value);
    if (isSlider(setting)) setAttributes(output, { text: numberText(value) });
  };
  draw();
  return { node, draw };
}

/** Seeds are names rather than amounts: nobody slides to the next one. */
const isSlider = (setting) => setting.kind !== "choice" && setting.name !== "seed";

function inputOf(session, words, setting, id) {
  if (setting.kind === "choice") return choiceInput(session, words, setting, id);
  return isSlider(setting) ? sliderInput(session, setting, id) : numberInput(session, setting, id);
}

function numberInput(session, setting, id) {
  const { least, most, name } = setting;
  const input = element("input", { type: "number", id, min: least, max: most, step: 1, inputmode: "numeric" });
  input.addEventListener("change", () => {
    const asked = Math.round(Number(input.value));
    const value = Number.isFinite(asked) ? Math.min(Math.max(asked, least), most) : session.value(name);
    input.value = String(value);
    session.set(name, value);
  });
  return {
    node: input,
    show: (value) => {
      if (document.activeElement !== input) input.value = String(value);
    },
  };
}

function sliderInput(session, setting, id) {
  const places = sliderPlaces(setting);
  const input = element("input", { type: "range", id, min: 0, max: places.count, step: 1 });
  const say = (value) => input.setAttribute("aria-valuetext", numberText(value));
  input.addEventListener("input", () => {
    const value = places.value(Number(input.value));
    say(value);
    session.set(setting.name, value);
  });
  return {
    node: input,
    show: (value) => {
      const place = Math.round(places.place(value));
      if (Number(input.value) !== place) input.value = String(place);
      input.style.setProperty("--filled", `${(100 * place) / Math.max(places.count, 1)}%`);
      say(value);
    },
  };
}

/**
 * The places of a slider and the values they stand for.
 *
 * @param {{least: number, most: number, step: number, scale: string, kind: string, standard: number}} setting
 */
export function sliderPlaces({ least, most, step, scale, kind, standard }) {
  if (scale === "power2") {
    const start = Math.log2(least);
    return {
      count: Math.round(Math.log2(most) - start),
      value: (place) => 2 ** (start + place),
      place: (value) => Math.log2(value) - start,
    };
  }
  if (scale === "log") {
    const values = roundValues(least, most, kind === "whole", standard);
    const nearest = (given) =>
      values.reduce(
        (best, value, place) => (Math.abs(value - given) < Math.abs(values[best] - given) ? place : best),
        0,
      );
    return { count: values.length - 1, value: (place) => values[place], place: nearest };
  }
  const decimals = (String(step).split(".")[1] ?? "").length;
  return {
    count: Math.round((most - least) / step),
    value: (place) => Number((least + place * step).toFixed(decimals)),
    place: (value) => (value - least) / step,
  };
}

/** Round numbers from `least` to `most`, about 5 % apart, and the standard among them. */
function roundValues(least, most, whole, standard) {
  const values = new Set([standard, most]);
  for (let value = least; value < most;) {
    values.add(value);
    const power = 10 ** Math.floor(Math.log10(value) + 1e-9);
    const digit = value / power;
    const step = (power / 10) * (digit < 2 ? 1 : digit < 5 ? 2 : 5);
    value = Number((value + (whole ? Math.max(step, 1) : step)).toPrecision(3));
  }
  return [...values].sort((one, other) => one - other);
}

function choiceInput(session, words, setting, id) {
  const select = element("select", { id, onchange: () => session.set(setting.name, select.value) });
  let shownFor = null;
  return {
    node: select,
    show: (value) => {
      const M1 = session.value("M1");
      if (shownFor !== M1) {
        const options = taskChoices(M1).map((choice) =>
          element("option", { value: choice, text: choiceText(words, choice, M1) }),
        );
        select.replaceChildren(...options);
        shownFor = M1;
      }
      select.value = value;
    },
  };
}

function choiceText(words, choice, M1) {
  const share = /^share-(\d+)$/.exec(choice);
  if (share) return words.text("tasks.share", { tasks: Number(share[1]) * M1, all: M1 * (M1 - 1) });
  return words.text(`tasks.${choice}`, { tasks: M1, all: M1 * (M1 - 1) });
}
