// What is seen: prompt and cover, and the look of the bars of drafts.js.

import { html, page } from "./browser.js";

/** @type {Record<string, string>} */
export const texts = {
  title: "You’re about to be signed out",
  warning: "For your security, we will sign you out in {time}.",
  final:
    "For your security, we will sign you out in {time}. Save your work. You can’t stay longer.",
  stay: "Stay signed in",
  wait: "Please wait…",
  dismiss: "Continue",
  trouble: "We could not reach the server. Trying again…",
  checking: "Checking whether you are still signed in…",
  ended: "You have been signed out",
  signIn: "Sign in again",
};

/**
 * Minutes until one is left, then seconds; never more than is left. (With one unit at a time there
 * is nothing for `Intl.DurationFormat` to join.)
 * @param {number} seconds
 */
function duration(seconds) {
  const minutes = Math.floor(seconds / 60);
  return (minutes || seconds).toLocaleString(host.lang, {
    style: "unit",
    unit: minutes ? "minute" : "second",
    unitDisplay: "long",
  });
}

// A content security policy may forbid <style>. (What is important stays so where pages style the
// parts.)
const style = new CSSStyleSheet();
style.replaceSync(`
:host { all: initial !important }
dialog, section {
  box-sizing: border-box; width: var(--quart-idle-width, 30em);
  padding: min(5vmin, 1.5em); scroll-padding: 1em;
  border: 1px solid var(--quart-idle-border, #8888);
  border-radius: var(--quart-idle-radius, .75em);
  color: var(--quart-idle-fg, CanvasText); background: var(--quart-idle-bg, Canvas);
  color-scheme: light dark; font: medium/1.5 var(--quart-idle-font, system-ui);
  overflow-wrap: anywhere;
}
::backdrop { background: var(--quart-idle-backdrop, #000a) }
h2 { margin: 0; font-size: 1.375em; line-height: 1.25; outline: 0 }
button {
  margin-inline-end: 1em; padding: .625em 1em; font: inherit;
  border: 1px solid; border-radius: .375em; cursor: pointer;
  color: var(--quart-idle-on-accent, var(--quart-idle-bg, Canvas));
  background: var(--quart-idle-accent, var(--quart-idle-fg, CanvasText));
}
button:hover { text-decoration: underline }
button:focus-visible { outline: solid var(--quart-idle-fg, CanvasText); outline-offset: 3px }
:empty { display: none !important }
[part=prompt] [role] { position: absolute !important; clip-path: inset(50%) !important }
[part=cover] {
  min-width: 100%; min-height: 100%; border: 0; border-radius: 0;
  align-content: safe center; padding-inline: max(5vw, 50% - 13em);
  background: var(--quart-idle-veil, Canvas);
}
@media (forced-colors: active) { button { color: ButtonText; background: ButtonFace } }
@media print { [part=prompt], ::backdrop { display: none } }
`);

// For the page, which a modal dialog hides from pointers and keys alone: it could still be printed,
// and found or read by what looks past dialogs. `visibility` lays out, restarts and reloads
// nothing, so that the page is as it was when it is seen again. (`display: none` loses what is
// scrolled, in frames too, and restarts animations; `content-visibility: hidden` takes the height,
// and what is scrolled with it.) What a page shows with as much importance, or in shadow roots, is
// behind the cover still; paper has no behind.
const anywhere = ":root:not(#a)";
const parts = `${anywhere} > :not(quart-idle)`;
const covering = `
${parts}, ${parts} * { visibility: hidden !important }
@media print { ${parts} { display: none !important } }`;
const behind = new CSSStyleSheet();

const host = page.createElement("quart-idle");
export const root = host.attachShadow({ mode: "open" });
root.adoptedStyleSheets = [style];
/** The body's, while it is hidden. @type {string | undefined} */
let visibility;
const watcher = new MutationObserver(attach);

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
export function put(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

// Pages replace their body, all that is in the root, and their style sheets.
export function attach() {
  watcher.observe(html, { childList: true });
  const { adoptedStyleSheets } = page;
  if (!adoptedStyleSheets.includes(behind)) adoptedStyleSheets.push(behind);
  if (host.isConnected) return settle();
  html.append(host);
  stayOnTop();
}

/** Something else may be in front. */
export function stayOnTop() {
  for (const dialog of [prompt, cover]) if (dialog.isOpen) dialog.show();
}

/** The page behind is as it was. */
function release() {
  behind.replaceSync("");
  const { body } = page;
  if (body && visibility !== undefined) body.style.visibility = visibility;
  visibility = undefined;
}

/** The page behind becomes what the dialogs need. */
function settle() {
  release();
  if (!root.querySelector("dialog[open]")) return;
  // What scrolls the page is the root's overflow, or the body's if the root has none. Where there
  // is a scrollbar its place is kept, by a border: the backdrop darkens it, and no gutter. (What is
  // fixed at that side moves, and a root that is as wide as the window.)
  const scroller = getComputedStyle(html).overflow === "visible" ? " > body" : "";
  behind.replaceSync(
    `${anywhere} {
scrollbar-gutter: auto; border-right: ${innerWidth - html.clientWidth}px solid #0000
}
${anywhere}${scroller} { overflow: hidden !important }${cover.isOpen ? covering : ""}`,
  );
  // Reader modes read a copy of the page, without its style sheets.
  const { body } = page;
  if (!cover.isOpen || !body) return;
  visibility = body.style.visibility;
  body.style.visibility = "hidden";
}

/** What else says how many seconds are left. @type {{ say?: (seconds: number) => void }} */
export const tabTitle = {};

export class Dialog {
  /** @param {"confirm" | "prompt" | "cover"} name */
  constructor(name) {
    const element = add(root, "dialog");
    // A browser may insist on the second request to close it.
    element.onclose = settle;
    element.setAttribute("aria-labelledby", `${name}-site ${name}-title`);
    element.setAttribute("aria-describedby", name + "-status");
    // The focus stays, but where text may be selected.
    /** @param {any} event */
    element.onmousedown = (event) => event.target.closest("h2, p") || event.preventDefault();
    this.element = element;
    this.site = add(element, "bdi", { id: name + "-site" });
    this.title = add(element, "h2", { id: name + "-title", tabIndex: -1 });
    this.clock = add(element, "p", { ariaHidden: "true" });
    this.status = add(element, "p", { id: name + "-status", role: "status" });
    this.button = add(element, "button", { type: "button" });
    for (const [part, piece] of Object.entries(this)) piece.part = part;
    element.part = name;
  }

  get isOpen() {
    return this.element.open;
  }

  show() {
    this.close();
    attach();
    this.element.showModal();
    settle();
  }

  hide() {
    if (!this.isOpen) return;
    this.close();
    settle();
  }

  close() {
    // First: what is hidden cannot get the focus back.
    release();
    this.element.close();
  }
}

class Prompt extends Dialog {
  seconds = 0;
  nextSpoken = 0;

  /** @param {Session} session */
  open(session) {
    this.nextSpoken = Infinity;
    // Who types on must not press the button of what they have not read.
    this.button.autofocus = session.extendable;
    this.title.autofocus = !session.extendable;
    this.paint(session);
    this.show();
  }

  /**
   * The clock is for those who see; the status is spoken, every 20 s and twice in the last 20.
   * @param {Session} session
   */
  paint({ left, extendable, wantsToStay, isUnreachable }) {
    let seconds = Math.floor(left / 1000);
    // A deadline that is corrected by little shows none twice.
    if (seconds === this.seconds + 1) seconds--;
    this.seconds = seconds;
    // In the last second it is asked for: nobody has to read "0 seconds".
    const template = !seconds ? texts.checking : extendable ? texts.warning : texts.final;
    const text = template.replace("{time}", duration(seconds));
    put(this.clock, isUnreachable ? text + " " + texts.trouble : text);
    if (isUnreachable) put(this.status, texts.trouble);
    else if (seconds <= this.nextSpoken) {
      this.nextSpoken = seconds - (seconds > 20 ? 20 : 10);
      put(this.status, text);
    }
    tabTitle.say?.(seconds);
    put(this.button, wantsToStay ? texts.wait : extendable ? texts.stay : texts.dismiss);
    this.button.ariaDisabled = String(wantsToStay);
  }
}

class Cover extends Dialog {
  /**
   * @param {string} title
   * @param {string} status
   * @param {string} button
   */
  say(title, status, button) {
    put(this.title, title);
    put(this.status, status);
    put(this.button, button);
  }

  showChecking() {
    if (this.isOpen) return;
    this.say(texts.checking, texts.trouble, "");
    this.show();
  }
}

export const prompt = new Prompt("prompt");
export const cover = new Cover("cover");
// Left to itself, Firefox takes the button.
cover.title.autofocus = true;
cover.element.closedBy = "none";

/** @param {Tag} tag */
export function start({ texts: translation, siteName = "" }) {
  Object.assign(texts, JSON.parse(translation ?? "{}"));
  const known = /^[a-z]{2,3}(-[a-z]{4})?(-[a-z]{2})?(?![a-z])/i.exec(html.lang)?.[0] ?? "";
  host.lang = ((translation || /^en\b/i.test(known)) && known) || "en";
  host.dir = translation ? "" : "ltr";
  for (const { site } of [prompt, cover]) put(site, siteName);
  put(prompt.title, texts.title);
}
