// What of a form may be kept, what it holds, and putting that back.

import { fire, native } from "./browser.js";
import { attribute, passwords } from "./forms.js";

// `autocomplete` is read as it is written: Firefox does not know all of them.
const PRIVATE = /(^|\s)(off|one-time-code|cc-\S*|(current|new)-password)(\s|$)/i;
const NO_TEXT = /^(file|hidden|submit|button|reset|image|output)$/;

/** @param {Field} field */
export const isCustom = ({ localName }) => /-/.test(localName);

/** @param {Field} field */
const isSelect = ({ localName }) => localName === "select";

/** @param {Field} field */
const isChoice = (field) =>
  /^(checkbox|radio)$/.test(field.type) || (isCustom(field) && "checked" in field);

/** @param {Field} field @returns {string} */
const nameOf = (field) => field.name || attribute(field, "name");

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
  const own = [...querySelectorAll("*")].filter(isCustom);
  return [...new Set([...elements, ...own])].filter(
    (/** @type {Field} */ field) =>
      nameOf(field) &&
      typeof field.value === "string" &&
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
        ({ value }) => /** @type {Content[0]} */ ([nameOf(field), value]),
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
    set(field, "value", own[0][1]);
  }
  for (const type of ["input", "change"]) fire(field, type);
}

/**
 * @param {HTMLFormElement} form
 * @param {Content} content
 */
export async function restore(form, content) {
  for (const field of fieldsOf(form)) {
    await null; // frameworks render in a microtask
    try {
      fill(field, content);
    } catch {
      // An element of the application's own; the others can be filled.
    }
  }
}
