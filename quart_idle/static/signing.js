// While a page is covered: why it is, and signing in again in a window, so that it stays as it was.

import { openAfter } from "./connection.js";
import { cover, put, texts } from "./dialogs.js";
import "./title.js";

/** @type {Record<string, string>} */
const reasons = {
  "by idle": "For your security, because you were not active.",
  "by lifetime": "For your security, because your time was up.",
  "by closed": "For your security, because all pages were closed.",
  "by signed out": "You signed out, perhaps in another tab.",
  "by switched": "Somebody else signed in, perhaps in another tab.",
  "by regenerated": "Please sign in again.",
  "by unknown": "Please sign in again.",
  other: "The reason: {reason}.",
  ...texts,
};

/** @param {string} reason */
export function sayWhy(reason) {
  put(cover.status, reasons["by " + reason] ?? reasons.other.replace("{reason}", () => reason));
}

/** @type {Window | null} */
let popup = null;
let openedAt = -Infinity;

/**
 * @param {string} url of the sign-in page
 * @returns whether there is a window
 */
export function openWindow(url) {
  try {
    popup = open(url, "quart-idle", "width=480,height=640");
    if (popup?.closed === false) {
      openedAt = performance.now();
      lookAgain();
      return true;
    }
  } catch {}
  popup = null;
  return false;
}

// For ten minutes. Whether the window is open, nobody can say: a policy of its page's may have it
// look closed (`Cross-Origin-Opener-Policy`).
export function lookAgain() {
  if (performance.now() - openedAt < 600000) openAfter(2000);
}

/** The user is back, or somebody else is there. */
export function stop() {
  popup?.close();
  popup = null;
  openedAt = -Infinity;
}
