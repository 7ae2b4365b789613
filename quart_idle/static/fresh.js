// Has the user prove again who they are, where the server wants that of them: in a window beside
// the page, which stays as it is. What was asked for is not repeated: that is for who asked for it.

import { fire, html, native, on, page } from "./browser.js";
import { request } from "./connection.js";
import { Dialog, add, cover, put, root, stayOnTop, texts } from "./dialogs.js";
import { goToSignIn, openSignIn } from "./popup.js";
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
  ask();
  return pending ?? false;
}

const OURS = new URL("..", import.meta.url);

/** @param {any} answer what a script has made itself has no address */
const urlOf = (answer) => new URL(answer.url || answer.responseURL || "/", OURS);

/** @param {any} answer */
function isRefused(answer) {
  const { status, headers } = answer;
  const name = "Quart-Idle";
  return (
    status === 401 &&
    urlOf(answer).origin === OURS.origin &&
    (headers?.get(name) ?? answer.getResponseHeader?.(name)) === "1"
  );
}

/**
 * Whether a view has refused it: what the client's own routes refuse with that header, they refuse
 * for other reasons, too.
 * @param {any} answer
 */
const isOfView = (answer) => isRefused(answer) && !urlOf(answer).href.startsWith(OURS.href);

/** @param {any} answer */
async function isStale(answer) {
  if (!isRefused(answer)) return false;
  try {
    const { reason } = await (answer.clone?.().json() ?? JSON.parse(answer.responseText));
    return reason === "stale";
  } catch {
    return isOfView(answer); // a page that says so, or who has read it
  }
}

/** @returns whether somebody asks them: this, the cover, or the application in its own way */
function ask() {
  if (pending) return true;
  if (session.isOver) return cover.isOpen;
  if (!fire(page, "quart-idle:stale", null, true)) return true;
  const url = session.tag?.signInUrl;
  if (!url) {
    console.info("quart-idle: without QUART_IDLE_SIGN_IN_URL nobody can prove again who they are");
    return false;
  }
  asked = { user: session.user, at: performance.now() };
  dialog.button.onclick = () => {
    popup = openSignIn(url);
    if (!popup) goToSignIn(url);
  };
  pending = new Promise((done) => (resolve = done));
  comeForward();
  return true;
}

/** In front of the page, and behind the prompt. */
function comeForward() {
  dialog.show();
  stayOnTop();
}

// Pages replace all that is in the root: what is put back there is no longer in front.
const watcher = new MutationObserver(() => {
  if (dialog.isOpen && !dialog.element.matches(":modal")) comeForward();
});
watcher.observe(html, { childList: true });
on(page, "toggle", ({ target }) => {
  if (dialog.isOpen && native(target).matches(":modal")) comeForward();
});

// A proof changes the token, so that each page hears anew of its session.
async function look() {
  if (!pending) return;
  const { user, authenticated } = await request("GET", "state", { tag: "" });
  if (authenticated == null) return; // nobody is signed in, or nothing is known
  const isTheirs = user === (asked.user ?? user);
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
// The next two would show the answer in place of the page. (Its body is not known so soon.)
on(page, "htmx:before:response", (event) => take(event, event.detail.ctx.response.raw));
on(page, "turbo:before-fetch-response", (event) => {
  take(event, event.detail.fetchResponse.response);
});

/**
 * @param {Event} event
 * @param {Response} answer
 */
function take(event, answer) {
  if (isOfView(answer) && ask()) event.preventDefault();
}
