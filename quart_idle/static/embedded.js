// What is embedded in the page, and what it is embedded in. Frames of its origin: input in them
// counts, and of pages within each other that have the same session, the outermost shows the
// prompt. Media: what a covered page plays is paused, and stays so. It would be heard, and seen in
// the window of a picture in picture.

import { fire, native, on, page, watch } from "./browser.js";
import { cover, prompt, stayOnTop } from "./dialogs.js";
import { session } from "./session.js";

/** @returns those that can be looked into: of other origins' no document is shown */
const frames = () => [...page.querySelectorAll("iframe")].filter((frame) => frame.contentDocument);

// Frames come later, and what is in them becomes another page.
function watchAll() {
  for (const frame of frames()) watch(/** @type {Window} */ (frame.contentWindow));
}

setInterval(watchAll, 10000);
watchAll();
on(page, "load", () => {
  watchAll();
  pause();
});

// A frame, such as one that is covered, may take the focus though it is behind a dialog.
on(window, "blur", () => {
  if (page.activeElement?.localName === "iframe") stayOnTop();
});

// --- The prompt, in frames

// Applications side by side have sessions of their own.
const which = () => JSON.stringify([new URL("..", import.meta.url).href, session.user]);
const isWarned = () => session.phase === "warned";

// What a page in a frame asks of those around it.
on(page, "quart-idle:framed", (event) => {
  if (isWarned() && event.detail.session === which()) event.preventDefault();
});

/** @returns the pages around this one that can be asked */
function pagesAround() {
  const found = [];
  for (let inner = window; inner !== inner.parent; inner = /** @type {any} */ (inner.parent)) {
    try {
      found.push(native(inner.parent.document));
    } catch {} // of another origin; one of ours may be around that
  }
  return found;
}

let standsBack = false;
/** @type {Timer} */
let timer;

// Last: the page's own listeners may cancel it.
on(window, "quart-idle:warning", onWarning, false);

/** @param {Event} event */
function onWarning(event) {
  if (event.defaultPrevented || !pagesAround()[0]) return;
  event.preventDefault();
  standsBack = true;
  clearTimeout(timer);
  timer = setTimeout(take, 1000); // until the pages around it have been warned, too
}

/** Or leave it to a page around this one, which may come and go. */
function take() {
  if (!isWarned()) return;
  const { left, extendable } = session;
  const detail = { session: which() };
  if (pagesAround().some((outer) => !fire(outer, "quart-idle:framed", detail, true))) {
    standsBack = true;
    prompt.hide();
  } else if (standsBack) {
    standsBack = false;
    prompt.open(session);
    session.hear({ type: "warn", left, extendable }); // so that it counts down
  }
  timer = setTimeout(take, 1000);
}

// It may have been warned before this was here.
if (prompt.isOpen && pagesAround()[0]) take();

// --- Media

/** Pages that say when something begins to play. @type {WeakSet<Element>} */
const heard = new WeakSet();

function pause() {
  if (!cover.isOpen) return;
  const inner = frames().map((frame) => native(/** @type {Document} */ (frame.contentDocument)));
  for (const one of [page, ...inner]) {
    if (!one.documentElement) continue; // its frame is being filled
    /** @type {NodeListOf<HTMLMediaElement>} */
    const playing = one.querySelectorAll("audio, video");
    for (const media of playing) native(media).pause();
    if (one.pictureInPictureElement) one.exitPictureInPicture().catch(() => {});
    if (!heard.has(one.documentElement)) on(one, "play", pause);
    heard.add(one.documentElement);
  }
}

new MutationObserver(pause).observe(cover.element, { attributeFilter: ["open"] });
pause();
