/** The card that leads through the tour: text, what to try, a question and its answer. */

import { settingControl } from "./controls.js";
import { SETTINGS, STANDARD } from "../engine/settings.js";
import { element } from "./dom.js";
import { TOUR_STEPS, tourPace, tourStep } from "./tour_steps.js";

/**
 * The card of the step that the state is at.
 *
 * @param {object} session
 * @param {object} words
 */
export function tourCard(session, words) {
  const number = session.state.tour;
  const { settings, choices, right } = tourStep(number);
  const key = (name) => `tour.${number}.${name}`;
  const made = settings.map((name) =>
    settingControl(
      session,
      words,
      SETTINGS.find((setting) => setting.name === name),
    ),
  );
  const node = element(
    "section",
    { class: "panel tour", id: "tour", "aria-labelledby": "tour-title" },
    element(
      "div",
      { class: "tour-head" },
      element("p", { class: "over", text: words.text("tour.over", { number, all: TOUR_STEPS.length }) }),
      tourDots(number, session, words),
    ),
    element("h2", { id: "tour-title", tabindex: -1, text: words.text(key("title")) }),
    ...words
      .text(key("body"))
      .split("\n")
      .map((math) => element("p", { math })),
    element("button", {
      type: "button",
      id: "tour-look",
      class: "tour-look",
      text: words.text("tour.look"),
      onclick: () => document.querySelector(".centre > .panel")?.scrollIntoView(),
    }),
    element(
      "div",
      { class: "tour-try" },
      element("h3", { text: words.text("tour.try") }),
      element(
        "ul",
        {},
        ...words
          .text(key("try"))
          .split("\n")
          .map((text) => element("li", { text })),
      ),
      made.length > 0 ? element("div", { class: "tour-settings" }, ...made.map((control) => control.node)) : null,
    ),
    questionCard(words, key, choices, right),
    number === TOUR_STEPS.length ? tourEnd(words) : null,
    element(
      "div",
      { class: "tour-buttons" },
      element("button", {
        type: "button",
        id: "tour-back",
        disabled: number === 1,
        onclick: () => goToTour(session, number - 1),
        text: words.text("tour.back"),
      }),
      number < TOUR_STEPS.length
        ? element("button", {
            type: "button",
            id: "tour-next",
            class: "primary",
            onclick: () => goToTour(session, number + 1),
            text: words.text("tour.next"),
          })
        : element("button", {
            type: "button",
            id: "tour-next",
            class: "primary",
            onclick: () => goToTour(session, 0),
            text: words.text("tour.finish"),
          }),
      number < TOUR_STEPS.length
        ? element("button", {
            type: "button",
            id: "tour-leave",
            class: "quiet-button",
            onclick: () => goToTour(session, 0),
            text: words.text("tour.leave"),
          })
        : null,
    ),
  );
  return { node, draw: () => made.forEach((control) => control.draw()) };
}

/** Go to a step of the tour, or out of it with 0; every step begins at its own state. */
export function goToTour(session, number) {
  const step = tourStep(number);
  if (step === null) session.view({ tour: 0 });
  else {
    session.setPace(tourPace(number));
    session.adopt({
      settings: { ...STANDARD },
      changes: [],
      shown: 0,
      pruned: 0,
      prompts: { in: null, out: null },
      ...step.state,
      tour: number,
    });
  }
}

function tourEnd(words) {
  return element(
    "div",
    { class: "tour-try" },
    element("h3", { text: words.text("tour.end.title") }),
    element(
      "ul",
      {},
      ...words
        .text("tour.end.text")
        .split("\n")
        .map((text) => element("li", { text })),
    ),
  );
}

function tourDots(current, session, words) {
  return element(
    "ol",
    { class: "tour-dots" },
    ...TOUR_STEPS.map((_, index) =>
      element(
        "li",
        {},
        element("button", {
          type: "button",
          text: String(index + 1),
          "aria-label": words.text("tour.go", {
            number: index + 1,
            title: words.text(`tour.${index + 1}.title`),
          }),
          "aria-current": index + 1 === current ? "step" : null,
          onclick: () => goToTour(session, index + 1),
        }),
      ),
    ),
  );
}

function questionCard(words, key, choices, right) {
  const answer = element("p", { class: "tour-answer", role: "status" });
  const buttons = Array.from({ length: choices }, (_, index) =>
    element("button", {
      type: "button",
      class: "choice",
      text: words.text(key(`choice.${index + 1}`)),
      onclick: () => {
        buttons.forEach((button, place) => {
          button.classList.toggle("right", place === right - 1);
          button.classList.toggle("wrong", place === index && index !== right - 1);
        });
        const verdict = words.text(index === right - 1 ? "tour.right" : "tour.wrong");
        answer.textContent = `${verdict} ${words.text(key("answer"))}`;
        answer.scrollIntoView({ block: "nearest" });
      },
    }),
  );
  return element(
    "div",
    { class: "tour-question" },
    element("h3", { text: words.text("tour.question") }),
    element("p", { text: words.text(key("question")) }),
    element("div", { class: "tour-choices" }, ...buttons),
    answer,
  );
}
