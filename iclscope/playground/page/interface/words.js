/** What the page says, in the reader's language. */

/** The languages that there are texts in. */
export const LANGUAGES = ["en", "zh"];

/**
 * Texts and numbers in one language.
 *
 * @param {Object<string, Object<string, string>>} texts - language → key → text; `{name}` stands for a value.
 * @param {string} language
 */
export function makeWords(texts, language) {
  const own = texts[language];
  const text = (key, values = {}) => {
    const found = own[key];
    if (found === undefined) throw new Error(`no text "${key}" in ${language}`);
    return found.replace(/\{(\w+)\}/g, (_, name) => {
      if (values[name] === undefined) throw new Error(`text "${key}" has no value for ${name}`);
      return String(values[name]);
    });
  };
  return { language, text, has: (key) => own[key] !== undefined };
}

/**
 * The language to begin with: what the address asks for, or the browser's.
 *
 * @param {string|null} asked
 * @param {readonly string[]} preferred - as `navigator.languages`
 */
export function chosenLanguage(asked, preferred) {
  if (LANGUAGES.includes(asked)) return asked;
  const found = preferred.map((name) => name.slice(0, 2).toLowerCase()).find((name) => LANGUAGES.includes(name));
  return found ?? LANGUAGES[0];
}

/** A number with about three digits, and no exponent where it can be read without one. */
export function numberText(value) {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-3 || size >= 1e6)) {
    const [digits, power] = value.toExponential(1).split("e");
    return `${minus(digits)}·10${superscript(Number(power))}`;
  }
  if (size >= 1000) return minus(Math.round(value).toLocaleString("en").replaceAll(",", "\u202f"));
  return minus(String(Number(value.toPrecision(3))));
}

/** A share as per cent. */
export function shareText(value) {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  const percent = 100 * value;
  const digits = percent === 0 || percent >= 10 ? 0 : 1;
  return `${minus(percent !== 0 && Math.abs(percent) < 0.1 ? percent.toPrecision(1) : percent.toFixed(digits))} %`;
}

/** A number with a fixed count of decimals, so that it does not dance while it changes. */
export function fixedText(value, decimals) {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  if (!Number.isFinite(value) || Math.abs(value) >= 1000) return numberText(value);
  return minus(value.toFixed(decimals));
}

const minus = (text) => text.replace("-", "−");
const superscript = (power) => [...String(power)].map((digit) => "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"["-0123456789".indexOf(digit)]).join("");
