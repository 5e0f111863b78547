/** What the theorems ask for and whether it is met, and which of their claims are true of the model right now. */

import { claimsNow } from "../theory/claims.js";
import { conditions } from "../theory/conditions.js";
import { element, icon, setAttributes } from "./dom.js";
import { panel } from "./panel.js";
import { numberText, shareText } from "./words.js";

/**
 * The panel of the theory.
 *
 * @param {object} session
 * @param {object} words
 */
export function theoryPanel(session, words) {
  const asked = element("ul", { class: "conditions" });
  const claimed = element("ul", { class: "conditions claims" });
  const node = panel(
    words,
    "theory",
    {},
    element("h3", { text: words.text("theory.conditions") }),
    element("p", { class: "quiet small", text: words.text("theory.conditions.lead") }),
    asked,
    element("h3", { text: words.text("theory.claims") }),
    element("p", { class: "quiet small", text: words.text("theory.claims.lead") }),
    claimed,
    element(
      "details",
      { class: "glossary", id: "glossary" },
      element("summary", { text: words.text("theory.words") }),
      element(
        "dl",
        { class: "small" },
        ...words
          .text("theory.words.text")
          .split("\n")
          .flatMap((line) => {
            const [word, meaning] = line.split(" | ");
            return [element("dt", { math: word }), element("dd", { math: meaning })];
          }),
      ),
    ),
    element(
      "p",
      { class: "quiet small source" },
      words.text("theory.source"),
      " ",
      element("a", { href: "https://arxiv.org/abs/2402.15607", rel: "noreferrer", text: "arXiv:2402.15607" }),
    ),
  );
  let drawnFor = null;
  const draw = () => {
    if (!session.frame) return;
    const settings = { ...session.state.settings, eta: session.value("eta") };
    drawList(asked, conditions(settings, session.frame.step, settings.eta), (one) => conditionTexts(words, one));
    const row = session.rows.findLast((candidate) => candidate.seed === session.frame.seeds[session.state.shown]);
    const { pruning, neurons } = session.frame;
    const key = row && `${row.step} ${row.seed} ${JSON.stringify(settings)} ${session.frame.step}`;
    if (!row || !pruning || !neurons || key === drawnFor) return;
    drawnFor = key;
    // Before the first step nothing is wrong yet: what does not hold then is still to come.
    const early = (one) => row.step === 0 && one.met === false;
    const claims = claimsNow(settings, row, pruning, neurons).map((one) =>
      early(one) ? { ...one, met: null, early: true } : one,
    );
    drawList(claimed, claims, (one) => claimTexts(words, one));
  };
  return { node, draw };
}

const metName = (met) => (met === true ? "met" : met === false ? "unmet" : "open");

function drawList(list, items, textsOf) {
  while (list.children.length > items.length) list.lastChild.remove();
  while (list.children.length < items.length) list.append(conditionItem());
  items.forEach((item, index) => {
    const node = list.children[index];
    const met = metName(item.met);
    if (node.dataset.met !== met) {
      node.dataset.met = met;
      node.className = `condition ${met}`;
      node.firstChild.replaceChildren(icon(met));
    }
    node.dataset.id = item.id;
    const texts = textsOf(item);
    const [name, formula, numbers, said, form] = node.lastChild.children;
    setAttributes(name, { math: texts.name });
    setAttributes(formula, { math: texts.formula });
    setAttributes(numbers, { text: texts.numbers });
    setAttributes(said, { text: texts.met });
    setAttributes(form, { text: texts.form, title: texts.formHelp });
  });
}

function conditionItem() {
  const parts = ["name", "formula", "numbers", "said", "form"].map((name) => element("span", { class: name }));
  return element(
    "li",
    {},
    element("span", { class: "badge", "aria-hidden": "true" }),
    element("div", { class: "condition-text" }, ...parts),
  );
}

const valueText = (value) => (typeof value === "number" ? numberText(value) : String(value ?? "–"));

function formTexts(words, form) {
  const key = form.replaceAll(" ", "-");
  return { form: words.text(`form.${key}`), formHelp: words.text(`form.${key}.help`) };
}

function conditionTexts(words, { id, form, formula, value, needed, met }) {
  return {
    name: words.text(`condition.${id}`),
    formula: id === "tasks" ? words.text("theory.tasks.formula") : formula,
    numbers: words.text(needed === null ? "theory.yours" : "theory.yours.needed", {
      value: valueText(value),
      needed: valueText(needed),
    }),
    met: words.text(`theory.${metName(met)}`),
    ...formTexts(words, form),
  };
}

function claimTexts(words, { id, form, value, expected, met, early = false, source, applies }) {
  const [low, high] = [expected.low ?? -Infinity, expected.high ?? Infinity];
  const bounds =
    Number.isFinite(low) && Number.isFinite(high)
      ? low > 0
        ? "between"
        : "most"
      : Number.isFinite(low)
        ? "least"
        : "most";
  const amount = amountText(id);
  const said = words.text(early ? "theory.claim.early" : `theory.claim.${metName(met)}`);
  return {
    name: words.text(`claim.${id}`),
    formula: applies ? sourceText(words, source) : words.text("theory.silent", { source: sourceText(words, source) }),
    numbers: words.text(`theory.now.${bounds}`, { value: amount(value), low: amount(low), high: amount(high) }),
    met: said,
    ...formTexts(words, form),
  };
}

/** Where the paper says it, in the reader's language. */
function sourceText(words, source) {
  return source
    .replace("Theorem", words.text("theory.theorem"))
    .replace("Proposition", words.text("theory.proposition"))
    .replace(/Section (\d+)/, (_, number) => words.text("theory.section", { number }))
    .replace("and", words.text("theory.and"));
}

/** How the quantity of a claim is written: angles in degrees, shares as per cent, ratios with a ×. */
function amountText(id) {
  if (id.startsWith("prop4.2"))
    return (angle) => (Number.isNaN(angle) ? "–" : `${numberText((angle * 180) / Math.PI)}°`);
  if (id.endsWith("-error") || id.includes("concentration")) return shareText;
  if (id.includes("projection") || id === "thm3.7-two-groups" || id === "thm3.7-small-norm")
    return (ratio) => (Number.isNaN(ratio) ? "–" : `${numberText(ratio)}×`);
  return numberText;
}
