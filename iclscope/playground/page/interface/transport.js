/** Play, pause, one step, ten, reset; which step it is and how fast; and what a screen reader is told. */

import { element, icon, setAttributes } from "./dom.js";
import { fixedText, shareText } from "./words.js";

/**
 * The bar that stays on top.
 *
 * @param {object} session
 * @param {object} words
 */
export function transport(session, words) {
  const button = (name, key, action) => {
    const label = element("span", { class: "button-text", text: words.text(`transport.${key}`) });
    return element("button", { type: "button", id: `button-${key}`, title: words.text(`transport.${key}`), onclick: action }, icon(name), label);
  };
  const play = element("button", { type: "button", id: "button-play", class: "primary", onclick: () => togglePlay(session) });
  const step = element("b", { class: "step-number", id: "step-number" });
  const speed = element("span", { class: "quiet speed" });
  const status = element("p", { class: "status", role: "status", id: "status" });
  const progress = element("progress", { class: "progress", max: 1, "aria-label": words.text("transport.progress"), hidden: true });
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
      text: running && frame.stepsPerSecond > 0 ? words.text("transport.speed", { speed: Math.round(frame.stepsPerSecond) }) : "",
    });
    const target = frame?.target ?? null;
    progress.hidden = !(running && target !== null && target > 20);
    if (!progress.hidden) progress.value = frame.step / target;
    const text = statusText(session, words);
    if (text !== said) status.textContent = text;
    said = text;
    status.classList.toggle("alarm", frame?.ended?.reason === "diverged");
  };
  return { node, draw };
}

function togglePlay(session) {
  if (session.frame?.running) session.training.pause();
  else session.training.play();
}

/** What there is to say, which changes only when something has happened, not at every step. */
function statusText(session, words) {
  const frame = session.frame;
  if (!frame) return words.text("status.preparing");
  if (frame.ended?.reason === "diverged") return words.text("status.diverged", { step: frame.ended.step });
  if (frame.running) return words.text("status.running");
  if (frame.step === 0) return words.text("status.ready");
  const key = frame.ended?.reason === "still" ? "status.still" : "status.paused";
  const row = session.rows.at(-1);
  const measured = row
    ? words.text("status.measured", { unseen: shareText(row.error_in), shifted: shareText(row.error_out), at: row.step })
    : "";
  return `${words.text(key, { step: frame.step })} ${measured}`;
}

/** A line about the loss of a training that goes wrong, for the panel of curves. */
export function lossText(session, words) {
  const run = session.frame?.runs?.[session.state.shown];
  return run && Number.isFinite(run.loss) ? words.text("curves.loss", { loss: fixedText(run.loss, 3) }) : "";
}
