// Forms marked by `data-quart-idle-draft`; where there is one, drafts.js is loaded.

import { native, on, page, whenParsed } from "./browser.js";

const MARK = "data-quart-idle-draft";

/**
 * As it is written.
 * @param {any} element
 * @param {string} name
 * @returns {string}
 */
export const attribute = (element, name) => native(element).getAttribute?.(name) ?? "";
/** @param {any} form */
export const nameOf = (form) => attribute(form, MARK);
/** @returns {NodeListOf<HTMLFormElement>} */
export const markedForms = () => page.querySelectorAll(`form[${MARK}]`);

// Fields, and custom elements around them: they stay that when they are shown.
export const passwords = new WeakSet();

/** @param {ParentNode} root */
function notePasswords(root) {
  for (const field of root.querySelectorAll("[type=password]")) passwords.add(field);
}

/** @type {Drafts} */
export let drafts;
let isLoading = false;
let wait = 5000;
/** What happened before drafts.js came. @type {FormEvent[]} */
let early = [];

async function load() {
  if (isLoading) return;
  isLoading = true;
  try {
    drafts = await import("./drafts.js");
    drafts.start(early);
  } catch {
    // For good, where workers of another release have come: fewer and fewer ask.
    setTimeout(() => (isLoading = false), (wait *= 2));
  }
}

// There may be another address, user or form.
export function look() {
  notePasswords(page);
  if (drafts) drafts.look();
  else if (markedForms()[0]) load();
}

export function forget() {
  early = [];
  drafts?.forget();
}

export function hasUnsent() {
  if (drafts) return drafts.hasUnsent();
  return early.findLast(([type]) => type !== "focusin")?.[0] === "input";
}

/** @param {any} event "input", "submit", "focusin" or "click" */
export function onEvent(event) {
  const { type } = event;
  const path = event.composedPath();
  if (type === "focusin") look();
  for (const node of path) if (node.nodeType === 11) notePasswords(node);
  // It may be the click by which one is shown, for which Safari gives no button the focus.
  if (type === "click") return;
  if (path[0].type === "password") {
    for (const node of path) if (node === path[0] || /-/.test(node.localName)) passwords.add(node);
  }
  if (drafts) drafts.onEvent(type, path);
  else if (path.some((/** @type {any} */ node) => nameOf(native(node).form ?? node))) {
    early = [...early.slice(-99), [type, path]];
    load();
  }
}

export function start() {
  on(page, "input submit focusin click", onEvent);
  // Forms that htmx, Turbo or a framework puts into place.
  /** @param {MutationRecord[]} records */
  const onChange = (records) => {
    if (records.some(({ addedNodes }) => [...addedNodes].some(({ nodeType }) => nodeType === 1))) {
      look();
    }
  };
  new MutationObserver(onChange).observe(document, { childList: true, subtree: true });
  look();
  whenParsed(look);
}
