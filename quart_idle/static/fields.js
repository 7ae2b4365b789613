// What of a form may be kept, what it holds, and putting that back.

import { fire, native, page } from "./browser.js";
import { attribute, passwords } from "./forms.js";

// `autocomplete` is read as it is written: Firefox does not know all of them.
const PRIVATE = /(^|\s)(off|one-time-code|cc-\S*|(current|new)-password)(\s|$)/i;
const NO_TEXT = /^(file|hidden|submit|button|reset|image|output)$/;

// What begins on a line of its own; a cell of a table as well, since its text is one's own.
const BLOCK = /^(blockquote|d[dlt]|div|fig\w+|h\d|li|ol|p|pre|section|t(able|body|[dhr])|ul)$/;

const MARK = "data-quart-idle-field";

/** An editor that the application calls a field. @param {Field} field */
const isEditor = (field) => Boolean(attribute(field, MARK));

/** @param {Field} field */
export const isCustom = ({ localName }) => /-/.test(localName);

/** @param {Field} field */
const isSelect = ({ localName }) => localName === "select";

/** @param {Field} field */
const isChoice = (field) =>
  /^(checkbox|radio)$/.test(field.type) || (isCustom(field) && "checked" in field);

/** @param {Field} field @returns {string} */
const nameOf = (field) => attribute(field, MARK) || field.name || attribute(field, "name");

/** @param {Field} field */
const isPlainEditor = (field) => isEditor(field) && !("value" in field) && field.isContentEditable;

/**
 * By hand: `innerText` has no lines where the element has gone or is hidden.
 * @param {Node} node
 * @returns {string}
 */
function textOf(node) {
  let text = "";
  for (const child of /** @type {NodeListOf<any>} */ (node.childNodes)) {
    const { localName, nodeType } = child;
    // What keeps an empty line open is no further line.
    if (localName === "br") text += child.nextSibling || !child.previousSibling?.data ? "\n" : "";
    else if (nodeType === 3) text += child.data;
    else text += (child.previousSibling && BLOCK.test(localName) ? "\n" : "") + linesOf(child);
  }
  return text;
}

/**
 * Whether it is an editor's own field, such as that of its search.
 * @param {Field} field
 * @param {Element} form
 */
const isWithinEditor = (field, form) => {
  const editor = native(field).parentElement?.closest(`[${MARK}]:not([${MARK}=""])`);
  return Boolean(editor && editor !== form && native(form).contains(editor));
};

/** @param {Node} block */
const linesOf = (block) => textOf(block).replace(/^\n$/, "");

/** As text, never as markup. @param {Field} field @param {string} text */
const write = (field, text) =>
  field.replaceChildren(
    ...text.split("\n").flatMap((line, at) => (at ? [page.createElement("br"), line] : [line])),
  );

/** @param {Field} field @returns {unknown} */
const valueOf = (field) => (isPlainEditor(field) ? linesOf(field) : field.value);

/** @param {Element} element */
const isPrivate = (element) => PRIVATE.test(attribute(element, "autocomplete"));

/** @param {Field} field */
export const isSecret = (field) =>
  passwords.has(field) ||
  // The application's own word, on it or around it.
  Boolean(native(field).closest("[data-quart-idle-secret]")) ||
  (field.type ?? attribute(field, "type")) === "password" ||
  isPrivate(field);

/**
 * What is in an element, in its shadow and in theirs.
 * @param {Element} element
 * @returns {Element[]}
 */
const inside = (element) =>
  [element, element.shadowRoot ?? element]
    .flatMap((root) => [...root.querySelectorAll("*")])
    .flatMap((inner) => (inner.shadowRoot ? [inner, ...inside(inner)] : inner));

/**
 * The fields that may be kept.
 * @param {HTMLFormElement} form
 * @returns {Field[]}
 */
export function fieldsOf(form) {
  const { elements, querySelectorAll } = native(form);
  const own = [...querySelectorAll("*")].filter((field) => isCustom(field) || isEditor(field));
  return [...new Set([...elements, ...own])].filter(
    (/** @type {Field} */ field) =>
      nameOf(field) &&
      typeof valueOf(field) === "string" &&
      !isWithinEditor(field, form) &&
      !NO_TEXT.test(field.type) &&
      !PRIVATE.test(attribute(field, "autocomplete") || attribute(form, "autocomplete")) &&
      ![field, ...inside(field)].some(isSecret),
  );
}

/**
 * What was typed and chosen.
 * @param {HTMLFormElement} form
 * @returns {Content}
 */
export function contentOf(form) {
  return fieldsOf(form)
    .filter((field) => field.checked || !isChoice(field))
    .flatMap((field) =>
      (isSelect(field) ? [...field.selectedOptions] : [field]).map(
        (one) => /** @type {Content[0]} */ ([nameOf(field), valueOf(one)]),
      ),
    );
}

/**
 * Frameworks such as React hide a field's property to see what scripts set.
 * @param {Field} field
 * @param {string} property
 * @param {unknown} value
 */
const set = (field, property, value) =>
  Reflect.set(Object.getPrototypeOf(field), property, value, field);

/**
 * @param {Field} field
 * @param {Content} content of which it takes its part
 */
function fill(field, content) {
  const own = content.filter(([name]) => name === nameOf(field));
  /** @param {Field} option */
  const isChosen = (option) => own.some(([, value]) => value === option.value);
  if (isChoice(field)) {
    // By a click, as those frameworks want it.
    if (field.checked !== isChosen(field)) field.click();
    if (field.checked === isChosen(field)) return;
    set(field, "checked", isChosen(field));
  } else if (isSelect(field)) {
    for (const option of field.options) option.selected = isChosen(option);
  } else if (own.length) {
    // Fields of the same name take one value each.
    content.splice(content.indexOf(own[0]), 1);
    if (isPlainEditor(field)) write(field, own[0][1]);
    else if (Object.hasOwn(field, "value") && isEditor(field)) field.value = own[0][1];
    else set(field, "value", own[0][1]);
  }
  for (const type of ["input", "change"]) fire(field, type);
}

/** What a field has, to compare. @param {Field} field */
const held = (field) =>
  isChoice(field) ? field.checked : isSelect(field) ? field.selectedIndex : valueOf(field);

/**
 * @param {HTMLFormElement} form
 * @param {Content} content
 * @returns the first field that has become another
 */
export async function restore(form, content) {
  let first;
  for (const field of fieldsOf(form)) {
    await null; // frameworks render in a microtask
    try {
      const before = held(field);
      fill(field, content);
      if (held(field) !== before) first ??= field;
    } catch {
      // An element of the application's own; the others can be filled.
    }
  }
  return first;
}
