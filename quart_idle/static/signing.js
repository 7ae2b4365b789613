// Signing out in the prompt. While a page is covered: why it is, and signing in again in a window,
// so that the page stays as it was.

import { arrival, click, isByClick, native, on, page } from "./browser.js";
import { open as ask, openAfter } from "./connection.js";
import { add, cover, prompt, put, root, stayOnTop, texts } from "./dialogs.js";
import "./embedded.js";
import { goToSignIn, openSignIn } from "./popup.js";
import { session } from "./session.js";
import "./title.js";

/** @type {Record<string, string>} */
const wording = {
  "by idle": "For your security, because you were not active.",
  "by lifetime": "For your security, because your time was up.",
  "by closed": "For your security, because all pages were closed.",
  "by limit": "You signed in on another device, and the number of devices is limited.",
  "by signed out": "You signed out, perhaps in another tab.",
  "by signed out everywhere": "You were signed out everywhere.",
  "by ended from elsewhere": "You were signed out from another device.",
  "by switched": "Somebody else signed in, perhaps in another tab.",
  "by regenerated": "Please sign in again.",
  "by unknown": "Please sign in again.",
  other: "The reason: {reason}.",
  reload: "Reload the page",
  signOut: "Sign out",
  ...texts,
};

/** @param {string} reason */
export function sayWhy(reason) {
  hearOthers();
  if (reason === "switched") put(cover.button, wording.reload);
  put(cover.status, wording["by " + reason] ?? wording.other.replace("{reason}", () => reason));
}

const OURS = new URL("..", import.meta.url).href;

let isGoodbyeShown = false;
/** @type {Window | null} */
let popup = null;
let openedAt = -Infinity;

/** @param {string} [url] of the sign-in page */
export function signIn(url) {
  if (session.endReason === "switched" || !url) loadAnew();
  else if (session.isOverForGood) location.assign(url);
  else if (!openWindow(url)) goToSignIn(url);
}

/**
 * @param {string} url
 * @returns whether there is a window
 */
function openWindow(url) {
  popup = openSignIn(url);
  if (!popup) return false;
  openedAt = performance.now();
  lookAgain();
  return true;
}

// For ten minutes. Whether the window is open, nobody can say: a policy of its page's may have it
// look closed (`Cross-Origin-Opener-Policy`).
export function lookAgain() {
  hearOthers();
  if (performance.now() - openedAt < 600000) openAfter(2000);
}

/**
 * Other pages that are covered: what one says is a reason to ask the server, no more. It is open no
 * longer than that is of use, since it may keep a page out of the back/forward cache.
 * @type {BroadcastChannel | undefined}
 */
let others;

function hearOthers() {
  if (others || session.isOverForGood) return;
  others = new BroadcastChannel(OURS);
  others.onmessage = () => {
    stopHearing(); // until it is known
    ask();
  };
}

function stopHearing() {
  others?.close();
  others = undefined;
}

on(window, "pagehide freeze", stopHearing);

/** The user is back, or somebody else is there. */
export function stop() {
  others?.postMessage("");
  stopHearing();
  popup?.close();
  popup = null;
  openedAt = -Infinity;
  isGoodbyeShown = false;
}

// --- In front of the page

/**
 * The application has opened something. Only what is in the top layer, as our dialogs are, can be
 * in front of them: no `<details>`.
 * @param {Event} event
 */
function onToggle({ target }) {
  const { matches } = native(/** @type {Element} */ (target));
  if (matches(":is(:modal, :popover-open)")) stayOnTop();
}

on(page, "toggle", onToggle);

// --- Signing out

const style = new CSSStyleSheet();
style.replaceSync(`
form { display: inline-block }
form button { padding-inline: 0; border: 0; color: inherit; background: none }
form button { text-decoration: underline }
`);
root.adoptedStyleSheets.push(style);

/**
 * In the prompt. No link: browsers may fetch where one leads before anybody clicks.
 * @param {Tag} [tag]
 */
function offerSignOut({ signOutUrl, signOutMethod } = {}) {
  if (!signOutUrl) return;
  const form = add(prompt.element, "form", { method: "post", action: signOutUrl });
  add(form, "button", { textContent: wording.signOut }).setAttribute("part", "link");
  if (signOutMethod) return;
  form.onsubmit = () => {
    location.assign(signOutUrl);
    return false;
  };
}

offerSignOut(session.tag);
// Something may have been opened before this was loaded. (If not, the focus stays where it is.)
if (page.querySelector(":modal, :popover-open")) stayOnTop();

/**
 * Whether the page says by itself that its user has signed out: it has put the answer to a request
 * of its own in place of all that was there when they clicked. Asked a second after the end.
 */
export function isGoodbye() {
  /** @type {any[]} */
  const entries = performance.getEntriesByType("resource");
  const requests = entries.filter(
    ({ initiatorType, startTime, name }) =>
      /^(fetch|xmlhttprequest)$/.test(initiatorType) &&
      startTime >= click.at &&
      startTime < click.at + 1000 &&
      !name.startsWith(OURS),
  );
  // Was what the click began under way when the session ended? An answer that nobody has read is
  // not listed. If all was over by then, what is there may be another page of the user's.
  const now = performance.now();
  const isAnswered = requests[0]
    ? requests.some(({ responseEnd }) => responseEnd > now - 2000)
    : now - click.at < 3000;
  isGoodbyeShown = isByClick() && isAnswered && !isAnyLeft();
  return isGoodbyeShown;
}

/** Whether anything is there yet that was there when they clicked. */
function isAnyLeft() {
  const nodes = page.createNodeIterator(document);
  for (let node = nodes.nextNode(); node; node = nodes.nextNode()) {
    if (click.content.has(node)) return true;
  }
  return false;
}

// Back may put into place what was there before.
on(window, "popstate", () => {
  if (!isGoodbyeShown || /live|warned/.test(session.phase)) return;
  cover.showChecking();
  loadAnew();
});

// --- Loading the page

// By GET: a reload repeats what the page came by.
export async function loadAnew() {
  const { href } = location;
  const [address] = href.split("#");
  const { replaceState } = native(history);
  if (arrival()?.transferSize === 0) await fetch(address, { cache: "reload" }).catch(() => {});
  // The application's state is that of who was here. From a hash one would only scroll.
  replaceState(null, "", address === href ? href : address + "?");
  location.replace(href);
  if (address !== href) replaceState(null, "", href);
}
