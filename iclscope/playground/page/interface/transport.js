/** Play, pause, one step, ten, reset; which step it is and how fast; and what a screen reader is told. */

import { element, icon, setAttributes } from "./dom.js";
import { PACES } from "./session.js";
import { shareText } from "./words.js";

/**
 * The bar that stays on top.
 *
 * @param {object} session
 * @param {object} words
 */
export function transport(session, words) {
  const button = (name, key, action) => {
    const label = element("span", { class: "button-text", text: words.text(`transport.${key}`) });
    return element(
      "button",
      { type: "button", id: `button-${key}`, title: words.text(`transport.${key}`), onclick: action },
      icon(name),
      label,
    );
  };
  const play = element("button", {
    type: "button",
    id: "button-play",
    class: "primary",
    onclick: () => togglePlay(session),
  });
  const step = element("b", { class: "step-number", id: "step-number" });
  const speed = element("span", { class: "quiet speed" });
  const status = element("p", { class: "status", role: "status", id: "status" });
  const pace = element(
    "select",
    { id: "pace", "aria-label": words.text("transport.pace"), onchange: () => session.setPace(pace.value) },
    ...PACES.map((value) => element("option", { value, text: words.text(`transport.pace.${value}`) })),
  );
  const shown = seedChoice(session, words);
  const progress = element("progress", {
    class: "progress",
    max: 1,
    "aria-label": words.text("transport.progress"),
    hidden: true,
  });
  const node = element(
    "div",
    { class: "transport", role: "group", "aria-label": words.text("transport.label") },
    element(
      "div",
      { class: "transport-buttons" },
      play,
      button("step", "step", () => session.training.step(1)),
      button("ten", "ten", () => session.training.step(10)),
      button("reset", "reset", () => session.reset()),
    ),
    element("div", { class: "transport-step" }, element("span", { text: words.text("transport.at") }), step, speed),
    pace,
    shown.node,
    status,
    progress,
  );
  let shownPlay = null;
  let said = "";
  const draw = () => {
    const frame = session.frame;
    const running = frame?.running ?? false;
    if (shownPlay !== running) {
      const key = running ? "pause" : "play";
      play.replaceChildren(icon(key), element("span", { text: words.text(`transport.${key}`) }));
      shownPlay = running;
    }
    setAttributes(step, { text: String(frame?.step ?? 0) });
    setAttributes(speed, {
      text:
        running && frame.stepsPerSecond > 0
          ? words.text("transport.speed", { speed: Math.round(frame.stepsPerSecond) })
          : "",
    });
    shown.draw();
    if (pace.value !== session.pace) pace.value = session.pace;
    const target = frame?.target ?? null;
    progress.hidden = !(running && target !== null && target > 20);
    if (!progress.hidden) progress.value = frame.step / target;
    const [text, measured] = statusTexts(session, words);
    if (text + measured !== said) status.replaceChildren(text, element("span", { class: "hidden", text: measured }));
    said = text + measured;
    status.classList.toggle("alarm", frame?.ended?.reason === "diverged");
  };
  return { node, draw, live: true };
}

function togglePlay(session) {
  if (session.frame?.running) session.training.pause();
  else session.training.play();
}

/**
 * What there is to say, which changes only when something has happened, not at every step; and what the charts show to
 * those who see them.
 */
function statusTexts(session, words) {
  const frame = session.frame;
  if (!frame || session.awaited !== null) return [words.text("status.preparing"), ""];
  if (frame.ended?.reason === "diverged") return [words.text("status.diverged", { step: frame.ended.step }), ""];
  if (frame.running) return [words.text("status.running"), ""];
  if (frame.step === 0) return [words.text("status.ready"), ""];
  const key = frame.ended?.reason === "still" ? "status.still" : "status.paused";
  const row = session.rows.at(-1);
  const measured = row
    ? ` ${words.text("status.measured", { unseen: shareText(row.error_in), shifted: shareText(row.error_out), at: row.step })}`
    : "";
  return [words.text(key, { step: frame.step }), measured];
}

/** Which of several seeds the details are of; nothing where there is one. */
function seedChoice(session, words) {
  const select = element("select", {
    id: "shown-seed",
    onchange: () => session.view({ shown: Number(select.value) }),
  });
  const node = element(
    "label",
    { class: "seed-choice", hidden: true },
    element("span", { text: words.text("setting.shown") }),
    select,
  );
  let drawnFor = "";
  const draw = () => {
    const seeds = session.frame?.seeds ?? [];
    node.hidden = seeds.length < 2;
    if (String(seeds) !== drawnFor)
      select.replaceChildren(...seeds.map((seed, index) => element("option", { value: index, text: String(seed) })));
    drawnFor = String(seeds);
    select.value = String(session.state.shown);
  };
  return { node, draw };
}
