// The session of this page: what is heard becomes what is seen.

import * as browser from "./browser.js";
import { filter, fire, on, page } from "./browser.js";
import * as connection from "./connection.js";
import { attach, cover, prompt, start as startDialogs, texts } from "./dialogs.js";
import { drafts, forget, hasUnsent, look, start as startForms } from "./forms.js";

/** @type {Session} */
export const session = {
  phase: "checking",
  endReason: "",
  extendable: false,
  wantsToStay: false,
  isUnreachable: false,
  isAway: false,
  isIdentified: true,
  keepsDrafts: false,
  deadline: Infinity,
  told: { retry: 1000 },

  get left() {
    return Math.max(0, this.deadline - performance.now());
  },

  get isOver() {
    return this.phase === "ended";
  },

  get isOverForGood() {
    const isByTime = /^(idle|lifetime|closed|unknown)$/.test(this.endReason);
    return this.isOver && !(this.user && isByTime);
  },

  hear,
  end,
  identify,
  fail,
};

/** @type {Signing} */
let signing;
/** @type {Timer} */
let tickTimer;
/** @type {Timer} */
let announceTimer;
/** @type {number | null} */
let lifetimeEnd = null;
// Between the browser's two clocks; not known at first.
let clockGap = NaN;

/**
 * @param {"state" | "warning" | "ended"} type
 * @param {object} detail
 */
const emit = (type, detail) => fire(page, "quart-idle:" + type, detail, type !== "state");

/** @param {Tag} tag */
export function start(tag, isIdentified = true) {
  session.tag = tag;
  session.user = session.lastUser = tag.user;
  session.isIdentified = isIdentified;
  session.keepsDrafts = Boolean(tag.drafts);
  startDialogs(tag);
  if (tag.fresh) import("./fresh.js").catch(() => {});
  prompt.button.onclick = () => (session.extendable ? extend() : prompt.hide());
  cover.button.onclick = signIn;
  connection.listen(session);
  // One that asks whether somebody is there is not answered by a pointer that brushes past.
  filter.keysOnly = () => prompt.isOpen;

  browser.watch(window);
  on(window, "keydown", onEscape);
  // Other requests to close it, such as Android's back, are answered in the same way.
  prompt.element.oncancel = onEscape;
  on(window, "focus online pageshow", wake, false);
  on(window, "pagehide freeze", leave);
  on(window, "beforeprint", attach);
  on(window, "beforeunload", onLeaving);
  on(page, "visibilitychange", (event) => {
    tick(); // for the title
    if (page.hidden) drafts?.keep();
    else wake(event);
  });
  on(page, "resume prerenderingchange", wake);
  on(page, "securitypolicyviolation", connection.onViolation);

  const way = browser.arrival()?.type;
  if (isIdentified && way === "back_forward") cover.showChecking();
  if (isIdentified && browser.noteUser(session.user) && way !== "navigate") {
    cover.showChecking();
    loadSigning().then(loadAnew);
  } else connection.open();
  // Last, as everywhere: what goes wrong there is theirs alone.
  startForms();
}

export function extend() {
  if (session.wantsToStay || session.isOver || !session.tag) return;
  session.wantsToStay = true;
  connection.extend();
  tick();
}

/** @param {Response | XMLHttpRequest} [answer] */
export async function reauthenticate(answer) {
  return (await import("./fresh.js")).reauthenticate(answer);
}

export function restart() {
  clearTimeout(announceTimer);
  signing?.stop();
  session.phase = "checking";
  session.user = undefined;
  session.isIdentified = false;
  session.deadline = Infinity;
  prompt.hide();
  cover.hide();
  connection.open();
}

// --- What the server says

/** @type {Session["identify"]} */
function identify(answer) {
  session.isIdentified = true;
  session.user = answer.user ?? undefined;
  session.keepsDrafts = answer.drafts;
  browser.noteUser(session.user);
  if (session.lastUser !== session.user) forget();
  session.lastUser = session.user;
  connection.open();
  look();
}

/** @param {Frame} frame */
function hear({ extendable, ...frame }) {
  const { type, left, total } = frame;
  if (!(left >= 0)) return;
  const now = performance.now();
  session.deadline = now + left;
  if (total !== undefined) lifetimeEnd = total && now + total;
  session.told = { ...session.told, ...frame, total: lifetimeEnd && Math.round(lifetimeEnd - now) };
  const warning = (session.told.warning ??= Math.min(120000, left / 2));
  session.isUnreachable = false;
  clearTimeout(announceTimer);
  if (session.phase !== "warned") session.phase = "live";
  signing?.stop();
  if (left > 0) cover.hide();
  if (type === "warn") warn(Boolean(extendable));
  else if (left > warning) {
    session.phase = "live";
    session.wantsToStay = false;
    prompt.hide();
  } else if (type === "state" && (connection.isPolling() || session.phase === "warned")) {
    warn(total == null || left < total);
  }
  if (type !== "warn") emit("state", session.told);
  tick();
}

/** @param {boolean} extendable */
function warn(extendable) {
  if (session.phase === "warned" && session.extendable === extendable) return;
  session.phase = "warned";
  session.extendable = extendable;
  session.wantsToStay = false;
  loadSigning();
  if (emit("warning", { left: session.told.left, extendable })) prompt.open(session);
  drafts?.keep();
}

/** @param {string} reason */
function end(reason) {
  connection.close();
  if (session.isOver) {
    if (reason !== "switched") return signing?.lookAgain();
    signing?.stop();
    return loadAnew();
  }
  session.phase = "ended";
  session.endReason = reason || "unknown";
  // Nobody is signed out.
  if (!session.isIdentified && !session.lastUser) return;
  prompt.hide();
  cover.hide();
  cover.say(texts.ended, "", texts.signIn);
  loadSigning();
  // It may be left by a sign-out, which another navigation would abort.
  const wait = browser.leavesFor();
  if (wait <= 0) return announceEnd();
  announceTimer = setTimeout(announceEnd, wait);
  cover.show();
}

function announceEnd() {
  announceTimer = undefined;
  const reason = session.endReason;
  if (!emit("ended", { reason })) return cover.hide();
  // It may be the user's own doing, of which the page says by itself. (If it has begun anew since,
  // it hears no reason.)
  if (!/^(signed out|unknown)$/.test(reason) || !browser.isByClick()) return showEnd();
  announceTimer = setTimeout(() => {
    announceTimer = undefined;
    if (!signing?.isGoodbye()) showEnd();
  }, 1000);
}

function showEnd() {
  cover.show();
  const url = session.tag?.expiredUrl;
  // The page may be on its way by now.
  if (url) announceTimer = setTimeout(() => location.replace(url), browser.leavesFor());
}

function fail() {
  session.isUnreachable = session.wantsToStay;
  tick();
}

// If it does not come, the cover's button leads away, and not before that is known. Whether its
// user is back, the page still asks when it gets the focus.
async function loadSigning() {
  signing = await import("./signing.js").catch(() => undefined);
  if (session.isOver) signing?.sayWhy(session.endReason);
}

function loadAnew() {
  if (signing) signing.loadAnew();
  else location.replace(location.pathname + location.search);
}

async function signIn() {
  await loadSigning();
  const url = session.tag?.signInUrl;
  if (signing) signing.signIn(url);
  else location.assign(url ?? location.pathname + location.search);
}

function tick() {
  if (session.isAway || session.isOver) return;
  clearTimeout(tickTimer);
  const now = performance.now();
  const left = session.deadline - now;
  // Sleep, or a clock that was set.
  const gap = Date.now() - now;
  if (Math.abs(gap - clockGap) > 2000) connection.ask();
  clockGap = gap;
  let wait = Math.min(left, 10000, Math.max(1000, left - 3000));
  if (prompt.isOpen) {
    prompt.paint(session);
    // When the next second is just over: each is shown once, for a second.
    wait = (left % 1000) + 5;
  }
  if (left <= 0) {
    connection.ask();
    if (left < -900 || connection.isLost()) cover.showChecking();
    wait = 1000;
  }
  tickTimer = setTimeout(tick, wait);
  if (window !== top || page.querySelector("iframe, audio, video")) {
    import("./embedded.js").catch(() => {});
  }
  look();
  if (left < 3000) drafts?.keep();
}

// --- Coming and going

function leave() {
  session.isAway = true;
  connection.close();
  clearTimeout(announceTimer);
  // Until the server has answered on the way back.
  if (!session.isOver) cover.showChecking();
  else if (announceTimer) cover.show();
}

/** @param {Event} event */
function wake({ type }) {
  if (session.isAway) {
    if (type !== "pageshow" && type !== "resume") return;
    session.isAway = false;
    connection.open();
    tick();
  } else if (type === "pageshow") return;
  else if (session.isOver) connection.open();
  else connection.hurry();
}

/** @param {Event} event */
function onLeaving(event) {
  browser.noteNavigation();
  if (hasUnsent()) event.preventDefault();
  drafts?.keep();
}

/** @param {any} event of a key; without one: another request to close the prompt */
function onEscape(event) {
  const isCovered = cover.isOpen;
  if ((event.key ?? "Escape") !== "Escape" || !(prompt.isOpen || isCovered)) return;
  event.preventDefault();
  event.stopImmediatePropagation();
  if (!isCovered) prompt.button.click();
}
