/** Take the state away: as a link, for a class, as code, as numbers. */

import { addressOf } from "../engine/address.js";
import { csvOf, jsonOf, pythonOf, sweepOf } from "../engine/carry.js";
import { element, icon } from "./dom.js";
import { choiceButtons } from "./panel.js";
import { saveFile } from "./pictures.js";

const SHARE_KINDS = ["link", "python", "sweep", "json"];
const HIDEABLE_PARTS = [
  "settings",
  "scenes",
  "tour",
  "theory",
  "prompt",
  "curves",
  "neurons",
  "pruning",
  "map",
  "share",
];

/**
 * The dialog, and the button that opens it.
 *
 * @param {object} session
 * @param {object} words
 */
export function shareDialog(session, words) {
  let kind = "link";
  let hidden = new Set(session.state.hidden);
  const field = element("textarea", {
    class: "share-text",
    readonly: true,
    rows: 7,
    spellcheck: "false",
    "aria-label": words.text("share.text"),
  });
  const said = element("p", { class: "small quiet", role: "status" });
  const lead = element("p", { class: "small quiet" });
  const kinds = choiceButtons(
    words.text("share.kind"),
    SHARE_KINDS.map((value) => ({ value, name: words.text(`share.${value}`) })),
    () => kind,
    (value) => {
      kind = value;
      show();
    },
  );
  const boxes = HIDEABLE_PARTS.map((part) => {
    const box = element("input", {
      type: "checkbox",
      id: `hide-${part}`,
      onchange: () => {
        if (box.checked) hidden.add(part);
        else hidden.delete(part);
        show();
      },
    });
    return element("li", {}, box, element("label", { for: box.id, text: words.text(`part.${part}`) }));
  });
  const teacher = element(
    "details",
    { class: "teacher" },
    element("summary", { text: words.text("share.teacher") }),
    element("p", { class: "small quiet", text: words.text("share.teacher.help") }),
    element("ul", { class: "parts" }, ...boxes),
  );
  const node = element(
    "dialog",
    { class: "share", id: "share-dialog", "aria-labelledby": "share-title" },
    element(
      "div",
      { class: "panel-head" },
      element("h2", { id: "share-title", text: words.text("share.title") }),
      element(
        "button",
        {
          type: "button",
          class: "quiet-button",
          "aria-label": words.text("close"),
          onclick: () => node.close(),
        },
        icon("close"),
      ),
    ),
    kinds.node,
    lead,
    field,
    element(
      "div",
      { class: "row" },
      element("button", {
        type: "button",
        class: "primary",
        id: "share-copy",
        text: words.text("share.copy"),
        onclick: () => copyField(field, said, words),
      }),
      element("button", {
        type: "button",
        id: "share-csv",
        text: words.text("share.csv"),
        onclick: () => saveRows(session),
      }),
    ),
    said,
    teacher,
  );
  const show = () => {
    kinds.show();
    const state = { ...session.current(), hidden: [...hidden] };
    const texts = {
      link: () => `${location.href.split("#")[0]}#${addressOf(state)}`,
      python: () => pythonOf(state),
      sweep: () => sweepOf(state),
      json: () => jsonOf(state, session.rows),
    };
    field.value = texts[kind]();
    lead.textContent = words.text(`share.${kind}.help`);
    said.textContent = "";
    teacher.hidden = kind !== "link";
  };
  const button = element(
    "button",
    {
      type: "button",
      id: "button-share",
      onclick: () => {
        hidden = new Set(session.state.hidden);
        show();
        node.showModal();
      },
    },
    icon("link"),
    element("span", { class: "button-text", text: words.text("share.title") }),
  );
  return { node, button };
}

async function copyField(field, said, words) {
  try {
    await navigator.clipboard.writeText(field.value);
    said.textContent = words.text("share.copied");
  } catch {
    // A browser may refuse a page from disk; the text is there to be copied by hand.
    field.focus();
    field.select();
    said.textContent = words.text("share.byhand");
  }
}

async function saveRows(session) {
  const rows = await session.training.rows();
  saveFile(new Blob([csvOf(rows)], { type: "text/csv" }), "iclscope-rows.csv");
}
