// While the tab of a page that is warned is hidden, its title says what is left: in minutes, since
// nothing is to flash, and the timers of hidden pages are held back.

import { page } from "./browser.js";
import { prompt, root, tabTitle } from "./dialogs.js";

/** The page's own title, and what it is instead. */
let ownTitle = "";
let ourTitle = "";

/** @param {number} [seconds] that are left; none: the title is the page's own */
function say(seconds) {
  // The application may change it meanwhile.
  if (page.title !== ourTitle) ownTitle = page.title;
  ourTitle = seconds === undefined ? "" : `(${minutes(seconds)}) ${ownTitle}`;
  const wanted = ourTitle || ownTitle;
  if (page.title !== wanted) page.title = wanted;
}

/** @param {number} seconds */
function minutes(seconds) {
  const under = seconds > 59 ? "" : "<";
  /** @type {Intl.NumberFormatOptions} */
  const options = { style: "unit", unit: "minute", unitDisplay: "short" };
  const { lang } = /** @type {HTMLElement} */ (root.host);
  return under + Math.max(1, Math.floor(seconds / 60)).toLocaleString(lang, options);
}

tabTitle.say = (seconds) => say(page.hidden ? seconds : undefined);
// (The event "close" does not come in a hidden tab.)
const watcher = new MutationObserver(() => prompt.isOpen || say());
watcher.observe(prompt.element, { attributeFilter: ["open"] });
