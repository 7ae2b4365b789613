// Whether the server has what was typed, all of it: prompt and cover say so.

import { native, on, page } from "./browser.js";
import { add, cover, prompt, put } from "./dialogs.js";
import { fieldsOf } from "./fields.js";
import { nameOf } from "./forms.js";
import { session } from "./session.js";

/** Forms that were typed into, and whether the server has it. @type {Map<any, boolean>} */
const typed = new Map();
/** Forms with more than may be kept, such as a password. */
const partly = new WeakSet();
/** Fields that may be kept, since it takes a while to find out. */
const fields = new WeakSet();

const pieces = [prompt, cover].map(({ element, status }) => {
  const piece = add(element, "p", { id: element.part + "-kept", ariaLive: "polite" });
  piece.part.add("kept");
  element.setAttribute("aria-describedby", `${status.id} ${piece.id}`);
  status.after(piece);
  return piece;
});

let sentence = "";

/** @param {string} text what is said */
export function start(text) {
  sentence = text;
  on(page, "quart-idle:ended", paint);
  // Of what is in no marked form the server has nothing.
  on(page, "input", (event) => {
    /** @type {any[]} */
    const path = event.composedPath();
    if (path.some((node) => nameOf(native(node).form ?? node))) return;
    partly.add(page.body);
    typed.set(page.body, false);
    paint();
  });
}

function paint() {
  // Of one that has gone the rest is yet to be sent, or was refused.
  for (const [form, isDone] of typed) {
    if ((isDone || partly.has(form)) && !native(form).isConnected) typed.delete(form);
  }
  // To another user it would be said of what is none of theirs.
  const isTyped = typed.size && session.keepsDrafts && session.endReason !== "switched";
  const isKept = [...typed.values()].every(Boolean);
  for (const piece of pieces) {
    put(piece, isTyped ? sentence : "");
    // It has its place before the server has answered: no button moves.
    piece.style.visibility = isKept ? "" : "hidden";
    const { status, element } = piece.parentNode === prompt.element ? prompt : cover;
    // What is referred to is read out though it is hidden.
    element.setAttribute("aria-describedby", isKept ? `${status.id} ${piece.id}` : status.id);
  }
}

/**
 * @param {HTMLFormElement} form
 * @param {any[]} path of the event
 */
export function noteInput(form, path) {
  const [field] = path;
  if (!fields.has(field)) {
    if (fieldsOf(form).some((one) => path.includes(one))) fields.add(field);
    else partly.add(form);
  }
  typed.set(form, false);
  paint();
}

/** @param {HTMLFormElement} form */
export function noteKept(form) {
  if (typed.has(form)) typed.set(form, !partly.has(form));
  paint();
}

/**
 * It was sent, or what was kept of it discarded.
 * @param {HTMLFormElement} form
 * @param {boolean} isTyped on, since then
 */
export function noteGone(form, isTyped) {
  if (isTyped) typed.set(form, false);
  else {
    typed.delete(form);
    partly.delete(form);
  }
  paint();
}

export function forget() {
  typed.clear();
  paint();
}
