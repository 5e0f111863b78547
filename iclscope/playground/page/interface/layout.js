/** Where everything stands: the whole page, or what a step of the tour shows of it. */

import { controls } from "./controls.js";
import { curvesPanel } from "./curves_panel.js";
import { element, icon, setAttributes } from "./dom.js";
import { mapPanel } from "./map_panel.js";
import { neuronsPanel } from "./neurons_panel.js";
import { choiceButtons } from "./panel.js";
import { promptPanel } from "./prompt_panel.js";
import { pruningPanel } from "./pruning_panel.js";
import { sceneRow } from "./scenes.js";
import { shareDialog } from "./share.js";
import { theoryPanel } from "./theory_panel.js";
import { goToTour, tourCard } from "./tour.js";
import { tourStep } from "./tour_steps.js";
import { transport } from "./transport.js";

const PANEL_MAKERS = {
  prompt: promptPanel,
  curves: curvesPanel,
  neurons: neuronsPanel,
  pruning: pruningPanel,
  map: mapPanel,
  theory: theoryPanel,
};
const CENTRE_PANELS = ["prompt", "curves", "neurons", "pruning", "map"];

/**
 * The page of the state.
 *
 * @param {object} session
 * @param {object} words
 * @returns {{nodes: HTMLElement[], parts: {draw?: () => void, stop?: () => void}[]}}
 */
export function pageLayout(session, words) {
  const parts = [];
  const add = (part) => {
    parts.push(part);
    return part.node;
  };
  const shows = (id) => !session.state.hidden.includes(id);
  const step = shows("tour") ? tourStep(session.state.tour) : null;
  const share = shows("share") ? shareDialog(session, words) : null;
  const framed = (content) => [
    pageHeader(session, words, share),
    element("main", {}, ...content),
    pageFooter(words),
    ...(share ? [share.node] : []),
  ];
  const notice = add(noticeLine(session, words));
  const bar = add(transport(session, words));
  const makePanels = (ids) => ids.filter(shows).map((id) => add(PANEL_MAKERS[id](session, words, step ?? {})));
  let layout;
  if (step) {
    layout = element(
      "div",
      { class: "layout layout-tour" },
      add(tourCard(session, words)),
      element("div", { class: "centre" }, bar, ...makePanels(step.panels), backToText(words)),
    );
    return { nodes: framed([notice, layout]), parts };
  }
  layout = element(
    "div",
    { class: `layout${shows("settings") ? " with-settings" : ""}${shows("theory") ? " with-theory" : ""}` },
    shows("settings") ? add(controls(session, words)) : null,
    element("div", { class: "centre" }, ...makePanels(CENTRE_PANELS)),
    ...makePanels(["theory"]),
  );
  const intro = shows("tour") ? introLine(session, words) : null;
  const scenes = shows("scenes") ? add(sceneRow(session, words)) : null;
  return { nodes: framed([notice, ...[intro, scenes].filter(Boolean), bar, layout]), parts };
}

function pageHeader(session, words, share) {
  const language = session.state.language ?? words.language;
  const languages = choiceButtons(
    words.text("header.language"),
    [
      { value: "en", name: "English" },
      { value: "zh", name: "中文" },
    ],
    () => language,
    (value) => session.view({ language: value }),
  );
  [...languages.node.children].forEach((button, index) =>
    setAttributes(button, { id: `language-${["en", "zh"][index]}`, lang: ["en", "zh-Hans"][index] }),
  );
  const schemes = ["auto", "light", "dark"];
  const scheme = element(
    "select",
    {
      id: "scheme",
      "aria-label": words.text("header.scheme"),
      onchange: () => session.view({ scheme: scheme.value }),
    },
    ...schemes.map((value) =>
      element("option", { value, text: words.text(`scheme.${value}`), selected: value === session.state.scheme }),
    ),
  );
  return element(
    "header",
    { class: "top" },
    element(
      "div",
      { class: "top-title" },
      element("h1", { text: words.text("page.heading") }),
      element("p", { class: "lead", text: words.text("page.lead") }),
    ),
    element("div", { class: "top-tools" }, languages.node, scheme, share?.button ?? null),
  );
}

function introLine(session, words) {
  return element(
    "section",
    { class: "intro", "aria-labelledby": "intro-title" },
    element("h2", { id: "intro-title", text: words.text("intro.title") }),
    element("p", { text: words.text("intro.text") }),
    element("button", {
      type: "button",
      id: "button-tour",
      class: "primary",
      onclick: () => goToTour(session, 1),
      text: words.text("intro.start"),
    }),
  );
}

/** Where text and pictures stand one below the other, the way back up to the text. */
function backToText(words) {
  return element("button", {
    type: "button",
    id: "tour-text",
    class: "tour-look",
    text: words.text("tour.text"),
    onclick: () => document.querySelector(".tour-try")?.scrollIntoView(),
  });
}

function noticeLine(session, words) {
  const text = element("span");
  const node = element(
    "div",
    { class: "notice", id: "notice", hidden: true, role: "alert" },
    text,
    element(
      "button",
      {
        type: "button",
        class: "quiet-button",
        "aria-label": words.text("close"),
        onclick: () => session.tellReader(null),
      },
      icon("close"),
    ),
  );
  const draw = () => {
    node.hidden = session.notice === null;
    if (session.notice) setAttributes(text, { text: words.text(session.notice.key, session.notice.values) });
  };
  return { node, draw };
}

function pageFooter(words) {
  return element(
    "footer",
    { class: "foot small quiet" },
    element("p", { text: words.text("page.foot", { version: PAGE_VERSION }) }),
  );
}
