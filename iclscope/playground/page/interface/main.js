/** The page: made of the state, and made anew where the state asks for another layout or language. */

import { stateOf } from "../engine/address.js";
import { TrainingClient } from "../engine/client.js";
import { makeDrawing } from "./frames.js";
import { pageLayout } from "./layout.js";
import { makeSession } from "./session.js";
import { tourPace } from "./tour_steps.js";
import { chosenLanguage, makeWords } from "./words.js";

const SLOW_DRAWING = 500; // ms between drawings where the reader asks for little motion

/** Open the playground in this page: read the address, start the training, draw. */
export function startPlayground() {
  const { state, problems } = stateOf(location.hash.slice(1));
  let written = location.hash.slice(1);
  const session = makeSession(
    state,
    (onMessage) => new TrainingClient(onMessage),
    (address) => {
      written = address;
      history.replaceState(null, "", address ? `#${address}` : location.pathname + location.search);
    },
  );
  session.setPace(tourPace(state.tour));
  session.notice = problemNotice(problems);
  let page = null;
  let { tour } = state;
  const rebuild = () => {
    const focused = document.activeElement?.id;
    const newPart = tour !== session.state.tour;
    tour = session.state.tour;
    page?.stop();
    session.forgetListeners();
    page = mountPage(session, rebuild);
    if (newPart) (document.getElementById("tour-title") ?? document.getElementById("button-tour"))?.focus();
    else if (focused) document.getElementById(focused)?.focus();
    if (newPart) window.scrollTo(0, 0);
  };
  rebuild();
  session.begin();
  window.addEventListener("hashchange", () => {
    if (location.hash.slice(1) === written) return;
    const arrived = stateOf(location.hash.slice(1));
    session.notice = problemNotice(arrived.problems);
    session.setPace(tourPace(arrived.state.tour));
    session.adopt(arrived.state);
  });
}

/** One line about what an address had that cannot be; null if it was fine. */
export function problemNotice(problems) {
  if (problems.length === 0) return null;
  const { code, name, value, allowed } = problems[0];
  const shorten = (text) => (String(text).length > 40 ? `${String(text).slice(0, 40)}…` : String(text));
  return {
    key: `problem.${code}`,
    values: { name: shorten(name), value: shorten(value), allowed: shorten(allowed), more: problems.length - 1 },
  };
}

function mountPage(session, rebuild) {
  const { state } = session;
  const language = chosenLanguage(state.language, navigator.languages);
  const words = makeWords(PAGE_TEXTS, language);
  document.documentElement.lang = language === "zh" ? "zh-Hans" : language;
  document.documentElement.dataset.scheme = state.scheme;
  document.title = words.text("page.title");
  const drawing = makeDrawing(() => performance.now(), drawingClock());
  const layout = pageLayout(session, words);
  document.getElementById("playground").replaceChildren(...layout.nodes);
  const drawSome = (wanted) =>
    layout.parts.forEach((part, index) => part.draw && wanted(part) && drawing.soon(index, part.draw));
  const drawAll = () => drawSome(() => true);
  const shape = () =>
    JSON.stringify([session.state.language, session.state.scheme, session.state.tour, session.state.hidden]);
  const builtFor = shape();
  // Most panels show what is measured every ten steps; only some change with every frame.
  session.on("frame", ({ rows, running }) => drawSome((part) => part.live || rows.length > 0 || !running));
  session.on("map", drawAll);
  session.on("notice", drawAll);
  session.on("state", () => (shape() === builtFor ? drawAll() : rebuild()));
  drawAll();
  return {
    stop() {
      drawing.stop();
      layout.parts.forEach((part) => part.stop?.());
    },
  };
}

/** Frames of the screen; a few per second where the reader has asked for reduced motion. */
function drawingClock() {
  const reduced = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
  return reduced
    ? (callback) => window.setTimeout(callback, SLOW_DRAWING)
    : (callback) => window.requestAnimationFrame(callback);
}
