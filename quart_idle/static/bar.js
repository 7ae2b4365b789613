// The bar by which a draft is offered: where it stands, and its look.

import { native, page } from "./browser.js";
import { add, root } from "./dialogs.js";
import { attribute } from "./forms.js";

const TAG = "quart-idle-draft";

// `section` looks as a dialog does. It belongs to what comes after it.
const style = new CSSStyleSheet();
style.replaceSync(`
:host { display: block !important; width: 100% !important; grid-column: 1 / -1 !important }
section {
  display: flex; flex-wrap: wrap; gap: .25em 1.5em; align-items: center;
  width: auto; max-width: 48em; margin: 1.5em 0 1em; padding: .75em 1em;
  border-inline-start: .375em solid var(--quart-idle-accent, var(--quart-idle-border, CanvasText));
  border-radius: var(--quart-idle-radius, .25em);
}
p { flex: 1 1 22em; margin: .25em 0 }
bdi { display: block; font-weight: bold }
button { margin-inline-end: .25em }
button + button { padding-inline: .375em; border-color: #0000; color: inherit; background: none }
button + button { text-decoration: underline }
.said { position: absolute; width: 1px; margin: 0; padding: 0; clip-path: inset(50%) }
@media print { :host { display: none !important } }
`);

/** @type {Set<Bar>} */
const bars = new Set();

/** What the page calls a form. @param {HTMLFormElement} form */
function titleOf(form) {
  const { querySelector, querySelectorAll, getRootNode } = native(form);
  const names = attribute(form, "aria-labelledby").split(/\s+/).filter(Boolean);
  const around = native(/** @type {Document} */ (getRootNode()));
  const named = names.map((id) => around.getElementById(id)?.textContent);
  // Of several groups none is the whole.
  const legends = querySelectorAll("fieldset > legend");
  const heading = querySelector("h1, h2, h3, h4, h5, h6") ?? (legends[1] ? null : legends[0]);
  const found = [
    ...[named.join(" "), attribute(form, "aria-label")],
    ...[heading?.textContent ?? "", attribute(form, "title")],
  ].map((text) => text.replace(/\s+/g, " ").trim());
  return found.find(Boolean) ?? "";
}

export class Bar {
  placedAt = -Infinity;

  /** @param {HTMLFormElement} form in front of which it stands */
  constructor(form) {
    this.form = form;
    const { lang, dir } = /** @type {HTMLElement} */ (root.host);
    // Outside of the form, in the page's own flow: it covers nothing, and comes before the fields.
    this.host = Object.assign(page.createElement(TAG), { lang, dir });
    this.host.dataset.turboTemporary = "";
    const shadow = this.host.attachShadow({ mode: "open" });
    shadow.adoptedStyleSheets = [...root.adoptedStyleSheets, style];
    this.section = add(shadow, "section");
    this.section.part.add("offer");
    // Said when it is there, and not as a part of it.
    const status = add(this.section, "p", { role: "status" });
    this.title = add(status, "bdi");
    this.text = add(status, "span");
    this.buttons = add(this.section, "div");
    bars.add(this);
    this.place();
    this.watcher = new MutationObserver(() => this.place());
    this.watcher.observe(native(form).getRootNode(), { childList: true, subtree: true });
    this.title.textContent = titleOf(form);
  }

  /** Frameworks and libraries that swap take away forms, or what is not of them. */
  place() {
    const { isConnected, parentNode, before } = native(this.form);
    if (!isConnected) return this.remove();
    const now = performance.now();
    // Whoever takes it away again is not fought with.
    if (this.host.parentNode === parentNode || now - this.placedAt < 1000) return;
    this.placedAt = now;
    before(this.host);
  }

  /**
   * @param {string} text
   * @param {[label: string, act: () => void][]} choices the first one is the strong one
   */
  say(text, choices) {
    this.text.textContent = text;
    // Its name while it is there.
    this.section.ariaLabel ||= text;
    this.buttons.replaceChildren();
    for (const [textContent, onclick] of choices) {
      add(this.buttons, "button", { type: "button", textContent, onclick }).part.add("button");
    }
  }

  /** Says so, and is seen no longer. @param {string} text */
  finish(text) {
    this.say(text, []);
    this.section.ariaLabel = text;
    this.section.className = "said";
    setTimeout(() => this.remove(), 10_000);
  }

  focus() {
    this.buttons.querySelector("button")?.focus();
  }

  remove() {
    this.watcher?.disconnect();
    this.host.remove();
    bars.delete(this);
  }
}

export function removeAll() {
  for (const bar of bars) bar.remove();
}

export function placeAll() {
  for (const bar of bars) bar.place();
  // Copies, of pages that libraries have put by.
  const own = [...bars].map(({ host }) => host);
  for (const copy of page.querySelectorAll(TAG)) {
    if (!own.includes(/** @type {HTMLElement} */ (copy))) copy.remove();
  }
}
