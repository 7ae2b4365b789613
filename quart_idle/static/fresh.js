// Has the user prove again who they are, where the server wants that of them: in a window beside
// the page, which stays as it is. What was asked for is not repeated: that is for who asked for it.

import { fire, on, page } from "./browser.js";
import { request } from "./connection.js";
import { Dialog, add, put, root, texts } from "./dialogs.js";
import { openSignIn } from "./popup.js";
import { session } from "./session.js";

/** @type {Record<string, string>} */
const wording = {
  confirm: "Please confirm that it’s you",
  confirmWhy: "For your security, sign in again to go on. This page stays as it is.",
  cancel: "Cancel",
  ...texts,
};

const style = new CSSStyleSheet();
style.replaceSync(`
[part=confirm] [part=link] { padding-inline: 0; border: 0; color: inherit; background: none }
[part=confirm] [part=link] { text-decoration: underline }
@media print { [part=confirm] { display: none } }
`);
root.adoptedStyleSheets.push(style);

const dialog = new Dialog("confirm");
put(dialog.site, session.tag?.siteName ?? "");
put(dialog.title, wording.confirm);
put(dialog.status, wording.confirmWhy);
put(dialog.button, texts.signIn);
// Who types on must not press the button of what they have not read.
dialog.title.autofocus = true;
const cancel = add(dialog.element, "button", { type: "button", textContent: wording.cancel });
cancel.setAttribute("part", "link");

/** @type {Promise<boolean> | undefined} */
let pending;
/** @type {(isFresh: boolean) => void} */
let resolve;
/** Whom the page belonged to when they were asked, and when that was. */
let asked = { user: session.user, at: 0 };
/** @type {Window | null} */
let popup = null;

/**
 * @param {Response | XMLHttpRequest} [answer] to a request; nobody is asked if it does not say that
 *   a proof is wanted
 * @returns whether the user has proved it now
 */
export async function reauthenticate(answer) {
  if (answer && !(await isStale(answer))) return false;
  return pending ?? ask();
}

/** @param {any} answer */
function isOurs(answer) {
  const { status, headers } = answer;
  const name = "Quart-Idle";
  return status === 401 && (headers?.get(name) ?? answer.getResponseHeader?.(name)) === "1";
}

/** @param {any} answer */
async function isStale(answer) {
  if (!isOurs(answer)) return false;
  try {
    const { reason } = await (answer.clone?.().json() ?? JSON.parse(answer.responseText));
    return reason === "stale";
  } catch {
    return true; // a page that says so, or who has read it
  }
}

function ask() {
  const url = session.tag?.signInUrl;
  if (session.isOver || !fire(page, "quart-idle:stale", null, true)) return false;
  if (!url) {
    console.info("quart-idle: without QUART_IDLE_SIGN_IN_URL nobody can prove again who they are");
    return false;
  }
  asked = { user: session.user, at: performance.now() };
  dialog.button.onclick = () => {
    popup = openSignIn(url);
    if (!popup) location.assign(url);
  };
  dialog.show();
  pending = new Promise((done) => (resolve = done));
  return pending;
}

// A proof changes the token, so that each page hears anew of its session.
async function look() {
  if (!pending) return;
  const { user, authenticated } = await request("GET", "state", { tag: "" });
  if (authenticated === undefined) return;
  const isTheirs = user === (asked.user ?? null);
  if (!isTheirs || authenticated <= performance.now() - asked.at) finish(isTheirs);
}

/** @param {boolean} isFresh */
function finish(isFresh) {
  if (!pending) return;
  pending = undefined;
  dialog.hide();
  popup?.close();
  popup = null;
  resolve(isFresh);
  if (isFresh) fire(page, "quart-idle:fresh");
}

cancel.onclick = () => finish(false);
// By Escape, say.
on(dialog.element, "close", () => dialog.isOpen || finish(false));
on(page, "quart-idle:ended", () => finish(false));
on(page, "quart-idle:state", look);
on(window, "focus", look, false);

// --- Libraries that ask for parts of the page

on(page, "htmx:responseError", ({ detail }) => reauthenticate(detail.xhr));
// The next two would show the answer in place of the page.
on(page, "htmx:before:response", (event) => take(event, event.detail.ctx.response.raw));
on(page, "turbo:before-fetch-response", (event) => {
  take(event, event.detail.fetchResponse.response);
});

/**
 * @param {Event} event
 * @param {Response} answer
 */
function take(event, answer) {
  if (!isOurs(answer)) return;
  event.preventDefault();
  reauthenticate(answer);
}
