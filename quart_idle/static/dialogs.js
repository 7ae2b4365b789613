// What is seen: prompt, cover, and bars.

import { html, page } from "./browser.js";

/** @type {Record<string, string>} */
export const texts = {
  title: "You’re about to be signed out",
  warning: "For your security, we will sign you out in {time}.",
  final: "Your session ends in {time} and can’t be extended. Save your work.",
  stay: "Stay signed in",
  wait: "Please wait…",
  dismiss: "Continue",
  signOut: "Sign out",
  trouble: "We could not reach the server. Trying again…",
  checking: "Checking whether you are still signed in…",
  ended: "You have been signed out",
  signIn: "Sign in again",
  reload: "Reload the page",
  draft: "You have unsent changes from before.",
  restore: "Restore",
  discard: "Discard",
  "by idle": "For your security, we signed you out because you were not active.",
  "by lifetime": "For your security, your session reached its time limit.",
  "by closed": "For your security, we signed you out because all pages were closed.",
  "by signed out": "You signed out, perhaps in another tab.",
  "by switched": "Somebody else signed in, perhaps in another tab.",
  "by regenerated": "Your session has ended.",
  "by unknown": "Your session has ended.",
  other: "Your session has ended: {reason}.",
};

/**
 * @param {number} seconds
 * @param {string} language
 */
function duration(seconds, language) {
  /**
   * @param {number} number
   * @param {"minute" | "second"} unit
   */
  const amount = (number, unit) =>
    number.toLocaleString(language, { style: "unit", unit, unitDisplay: "long" });
  const rest = seconds % 60;
  const parts = [];
  if (seconds > 59) parts.push(amount((seconds - rest) / 60, "minute"));
  if (rest || !seconds) parts.push(amount(rest, "second"));
  return parts.join(" ");
}

/**
 * A content security policy may forbid <style>.
 * @param {string} rules
 */
function sheetOf(rules) {
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(rules);
  return sheet;
}

const style = sheetOf(`
:host { all: initial !important }
dialog, section {
  box-sizing: border-box; width: var(--quart-idle-width, 30em); padding: 1.75em;
  border: 1px solid var(--quart-idle-border, currentColor);
  border-radius: var(--quart-idle-radius, .75em);
  color: var(--quart-idle-fg, CanvasText); background: var(--quart-idle-bg, Canvas);
  color-scheme: light dark; font: medium/1.5 system-ui;
}
section { position: fixed; inset: auto 1em 1em; max-width: calc(100% - 2em); z-index: 99999999 }
::backdrop { background: var(--quart-idle-backdrop, #000a) }
h2 { margin: 0; font-size: 1.375em; line-height: 1.25; outline: 0 }
p { margin: .75em 0 1.25em }
button, a { display: inline-block; margin-inline-end: 1em; padding: .5em 0; font: inherit }
button {
  padding: .5em 1em; border: 1px solid; border-radius: .375em;
  color: var(--quart-idle-bg, Canvas); background: var(--quart-idle-fg, CanvasText);
  forced-color-adjust: none;
}
a { color: inherit }
[aria-disabled=true] { opacity: .6 }
:focus-visible { outline-offset: 3px }
p:empty, [hidden] { display: none }
.prompt [role] { position: absolute; inset: 0; clip-path: inset(50%) }
.cover {
  min-width: 100%; min-height: 100%; border: 0; border-radius: 0;
  align-content: safe center; padding-inline: max(1.75em, 50% - 13em);
  background: var(--quart-idle-veil, Canvas);
}
`);

// For the page: a dialog hides nothing from print.
const blank = sheetOf(
  "@media print { :root:root > :not(quart-idle) { display: none !important } }",
);
blank.disabled = true;

const host = page.createElement("quart-idle");
const root = host.attachShadow({ mode: "open" });
root.adoptedStyleSheets = [style];

/** @type {Add} */
export function add(parent, tag, properties = {}) {
  const element = Object.assign(page.createElement(tag), properties);
  parent.append(element);
  return element;
}

/**
 * The same is not spoken again.
 * @param {Element} element
 * @param {string} text
 */
function put(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

// Pages replace their body, and their style sheets.
export function attach() {
  if (!host.isConnected) html.append(host);
  const { adoptedStyleSheets } = page;
  if (!adoptedStyleSheets.includes(blank)) adoptedStyleSheets.push(blank);
}

/** @param {string} text */
export function addBar(text) {
  attach();
  const bar = add(root, "section", { ariaLabel: text });
  put(add(bar, "p", { role: "status" }), text);
  return bar;
}

export function removeBars() {
  for (const bar of root.querySelectorAll("section")) bar.remove();
}

class Dialog {
  /** @param {"prompt" | "cover"} name */
  constructor(name) {
    const element = add(root, "dialog", { className: name });
    element.setAttribute("closedby", "none");
    element.setAttribute("aria-labelledby", name + "-title");
    element.setAttribute("aria-describedby", name + "-status");
    element.onmousedown = (event) => event.preventDefault(); // the focus stays
    this.element = element;
    this.title = add(element, "h2", { id: name + "-title", tabIndex: -1 });
    this.clock = add(element, "p", { ariaHidden: "true" });
    this.status = add(element, "p", { id: name + "-status", role: "status" });
    this.button = add(element, "button", { type: "button" });
    this.link = add(element, "a", { hidden: true });
  }

  get isOpen() {
    return this.element.open;
  }

  show() {
    attach();
    this.element.close();
    this.element.showModal();
    blank.disabled = !cover.isOpen;
  }

  hide() {
    this.element.close();
    blank.disabled = !cover.isOpen;
  }
}

class Prompt extends Dialog {
  nextSpoken = Infinity;

  /** @param {Session} session */
  open(session) {
    this.nextSpoken = Infinity;
    this.button.autofocus = session.extendable;
    this.paint(session);
    this.show();
  }

  /**
   * The clock is for those who see; the status is spoken, every 20 s and twice in the last 20.
   * @param {Session} session
   */
  paint({ left, extendable, wantsToStay, isUnreachable }) {
    const seconds = Math.floor(left / 1000);
    const template = !left ? texts.checking : extendable ? texts.warning : texts.final;
    const text = template.replace("{time}", duration(seconds, host.lang));
    put(this.clock, isUnreachable ? text + " " + texts.trouble : text);
    if (isUnreachable) put(this.status, texts.trouble);
    else if (seconds <= this.nextSpoken) {
      this.nextSpoken = seconds - (seconds > 20 ? 20 : 10);
      put(this.status, text);
    }
    put(this.button, wantsToStay ? texts.wait : extendable ? texts.stay : texts.dismiss);
    this.button.ariaDisabled = String(wantsToStay);
  }
}

class Cover extends Dialog {
  /**
   * @param {string} title
   * @param {string} status
   */
  say(title, status, button = "") {
    put(this.title, title);
    put(this.status, status);
    put(this.button, button);
    this.button.hidden = !button;
  }

  showChecking() {
    if (this.isOpen) return;
    this.say(texts.checking, texts.trouble);
    this.show();
  }

  /** @param {string} reason */
  sayEnded(reason) {
    const why = texts["by " + reason] ?? texts.other.replace("{reason}", () => reason);
    this.say(texts.ended, why, reason === "switched" ? texts.reload : texts.signIn);
  }
}

export const prompt = new Prompt("prompt");
export const cover = new Cover("cover");

/** @param {Tag} tag */
export function start({ texts: translation, signOutUrl }) {
  Object.assign(texts, JSON.parse(translation ?? "{}"));
  const known = /^[a-z]{2,3}(-[a-z]{4})?(-[a-z]{2})?(?![a-z])/i.exec(html.lang)?.[0] ?? "";
  host.lang = ((translation || /^en\b/i.test(known)) && known) || "en";
  host.dir = translation ? "" : "ltr";
  put(prompt.title, texts.title);
  put(prompt.link, texts.signOut);
  if (signOutUrl) Object.assign(prompt.link, { href: signOutUrl, hidden: false });
}
