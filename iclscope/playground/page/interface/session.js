/** What the page is showing: its state, the training behind it, and who wants to know of changes. */

import { checkedSettings, SETTINGS } from "../engine/settings.js";
import { addressOf } from "../engine/address.js";

const CHANGE_DELAY = 140; // ms; a dragged slider starts one training, not fifty
const ADDRESS_DELAY = 400;
const SLOW_PACE = 20; // steps per second: slow enough to see attention take off, and to pause there

/** How fast the training plays. */
export const PACES = ["full", "slow"];

const SETTING_OF_NAME = new Map(SETTINGS.map((setting) => [setting.name, setting]));

/**
 * A session: one state, one training.
 *
 * Listeners are told of "frame" (the training has sent something), "map" (cells were measured), "state" (a setting or a view
 * has changed) and "notice" (a line for the reader).
 *
 * @param {object} state - as `stateOf` gives it
 * @param {(onMessage: (message: object) => void) => object} makeTraining - makes the `TrainingClient`
 * @param {(address: string) => void} writeAddress
 */
export function makeSession(state, makeTraining, writeAddress) {
  const listeners = new Map();
  let addressTimer = 0;
  let restartTimer = 0;
  const tell = (kind, message) => {
    for (const listener of listeners.get(kind) ?? []) listener(message);
  };
  const session = {
    state,
    frame: null,
    rows: [],
    rowsVersion: 0, // another number: the rows are not those of before, with more at their end
    map: emptyMap(state.map),
    notice: null,
    pace: "full",
    awaited: null, // "start": another training is about to begin; "frame": it has, and has not been heard of yet
    failed: false,
    training: null,

    /** Call `listener` at every event of this kind, until `forgetListeners`. */
    on(kind, listener) {
      listeners.set(kind, [...(listeners.get(kind) ?? []), listener]);
    },

    forgetListeners() {
      listeners.clear();
    },

    /** Train this state from the beginning up to its step. */
    begin({ thenPlay = false } = {}) {
      window.clearTimeout(restartTimer);
      session.awaited = "frame";
      session.map = emptyMap(session.state.map);
      const { settings, steps, changes, shown, prompts } = session.state;
      session.training.start(settings, { steps, changes });
      session.training.show(shown);
      for (const domain of ["in", "out"]) sendPrompt(session, domain, prompts[domain]);
      if (thenPlay) session.training.play();
      tell("state");
    },

    /** Take over another state, as a scene, a step of the tour or a link has it. */
    adopt(changed, options = {}) {
      session.state = { ...session.state, ...changed };
      session.begin(options);
      session.remember();
    },

    /** Change how the state is looked at; nothing is trained. */
    view(changed) {
      session.state = { ...session.state, ...changed };
      if (changed.shown !== undefined) session.training.show(changed.shown);
      if (changed.map !== undefined) session.stopMap();
      tell("state");
      session.remember();
    },

    /** Change a setting, and start anew where it needs that. */
    set(name, value) {
      if (session.value(name) === value) return;
      const { restart } = SETTING_OF_NAME.get(name);
      const running = session.frame?.running ?? false;
      const settings = { ...session.state.settings, [name]: value };
      if (!restart && name === "eta" && (session.frame?.step ?? 0) > 0) {
        const step = session.frame.step;
        session.state = {
          ...session.state,
          changes: [...session.state.changes.filter(([at]) => at < step), [step, value]],
        };
        session.training.change({ eta: value });
      } else if (!restart) {
        session.state = { ...session.state, settings };
        session.training.change({ [name]: value });
        if (name !== "eta") session.map = emptyMap(session.state.map);
      } else {
        const prompts = session.state.prompts;
        session.state = {
          ...session.state,
          settings: checkedSettings({ ...settings, eta: session.value("eta") }).settings,
          steps: 0,
          changes: [],
          shown: Math.min(session.state.shown, settings.seeds - 1),
          pruned: 0,
          prompts: { in: promptNumber(prompts.in), out: promptNumber(prompts.out) },
        };
        window.clearTimeout(restartTimer);
        session.awaited = "start";
        restartTimer = window.setTimeout(() => session.begin({ thenPlay: running }), CHANGE_DELAY);
      }
      tell("state");
      session.remember();
    },

    /** What a setting is now. */
    value(name) {
      const { settings, changes } = session.state;
      return name === "eta" && changes.length > 0 ? changes.at(-1)[1] : settings[name];
    },

    /** Ask the model about another prompt: edited columns, or the number of a drawn one. */
    setPrompt(domain, prompt) {
      session.state = { ...session.state, prompts: { ...session.state.prompts, [domain]: prompt } };
      sendPrompt(session, domain, prompt);
      session.remember();
    },

    /** Play at full speed, or so slowly that every step is seen. */
    setPace(pace) {
      session.pace = pace;
      session.training.pace(pace === "slow" ? SLOW_PACE : null);
      tell("state");
    },

    reset() {
      const settings = { ...session.state.settings, eta: session.value("eta") };
      session.state = { ...session.state, settings, steps: 0, changes: [] };
      session.begin();
      session.remember();
    },

    measureMap() {
      session.map = { ...emptyMap(session.state.map), running: true };
      session.training.measureMap(session.state.map);
      tell("map");
    },

    stopMap() {
      session.training.stopMap();
      session.map = emptyMap(session.state.map);
      tell("map");
    },

    /** One line for the reader: {key, values}, or null. */
    tellReader(notice) {
      session.notice = notice;
      tell("notice");
    },

    /** The state with the step that the training has reached: what a link should hold. */
    current() {
      // On the way to a step that was asked for, the link asks for it too.
      const { awaited, frame, state } = session;
      const underWay = awaited !== null || frame === null || frame.target !== null;
      return { ...state, steps: underWay ? state.steps : frame.step };
    },

    remember() {
      window.clearTimeout(addressTimer);
      addressTimer = window.setTimeout(() => writeAddress(addressOf(session.current())), ADDRESS_DELAY);
    },
  };
  session.training = makeTraining((message) => takeMessage(session, message, tell));
  return session;
}

function takeMessage(session, message, tell) {
  if (message.type === "frame") {
    // Frames of the training that was given up are still on their way.
    if (session.awaited === "start" || (session.awaited === "frame" && !message.fresh)) return;
    session.awaited = null;
    session.frame = { ...session.frame, ...message };
    if (message.fresh) {
      session.rows = [];
      session.rowsVersion += 1;
    }
    session.rows.push(...message.rows);
    if (message.changes) session.state = { ...session.state, changes: message.changes };
    if (!message.running) session.remember();
    tell("frame", message);
  } else if (message.type === "map") {
    if (message.kind !== session.state.map) return;
    const { xs, ys, xName, yName, step } = message;
    const cells = session.map.cells;
    for (const cell of message.cells) cells.set(`${cell.i},${cell.j}`, cell);
    session.map = { ...session.map, xs, ys, xName, yName, step, cells, running: !message.done };
    tell("map");
  } else if (message.type === "failed") {
    session.failed = true;
    session.tellReader({ key: "notice.failed", values: { message: message.message } });
  }
}

const emptyMap = (kind) => ({ kind, xs: null, ys: null, cells: new Map(), running: false, step: null });

/** Edited prompts hold patterns that other settings may not have; drawn ones are drawn anew. */
const promptNumber = (prompt) => (typeof prompt === "number" ? prompt : null);

function sendPrompt(session, domain, prompt) {
  if (typeof prompt === "number" || prompt === null) session.training.drawPrompt(domain, prompt ?? 0);
  else session.training.setPrompt(domain, prompt);
}
