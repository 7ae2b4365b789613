/**
 * The page's side: says that it is open and in use, warns before the session ends and covers itself
 * after. The deadline is the server's: at zero the page asks and obeys.
 */

const PATIENCE = 5000; // ms for an answer

const script = [...document.scripts].find(({ src }) => src === import.meta.url);
const { expiredUrl, signOutUrl, signInUrl } = script?.dataset ?? {};

let state = { retry: 1000 }; // the server's last word
let deadline = Infinity; // by performance.now()
let lifetime = null; // its end, likewise
let warned = null; // else what the last warning said of `extendable`
let wanted = false; // to stay, until the server confirms
let troubled = false; // the server could not be told
let gone = false; // frozen, or kept for the back button
let leaving = false; // perhaps
let over = false;

let socket = null;
let tries = 0; // that failed since the last `state`
let pace; // ms between tries over HTTP
let asked = -Infinity;
let retryTimer, answerTimer, clockTimer;

let input, inputDate; // when it was last

/** Layout that moves under a pointer is no input. */
function touch({ isTrusted, type, movementX, movementY }) {
  if (!isTrusted || (type === "pointermove" && !movementX && !movementY)) return;
  input = performance.now();
  inputDate = Date.now();
}

function pong() {
  // The first may stand still in sleep, the second may be set.
  const idle = Math.max(performance.now() - input, Date.now() - inputDate);
  return { type: "pong", idle: Math.round(idle), visible: !document.hidden };
}

function stay() {
  if (wanted) return;
  wanted = true;
  if (isOpen()) say("extend");
  else connect();
  tick();
}

// --- The line

const route = (path) => new URL(path, import.meta.url).href;
const isOpen = () => socket?.readyState === WebSocket.OPEN;

function say(type) {
  socket.send(JSON.stringify({ type }));
  expect(PATIENCE);
}

/** A `state`, or the line is dead. */
function expect(ms) {
  answerTimer ??= setTimeout(lost, ms, 0);
}

function ask() {
  if (performance.now() - asked < 1000) return;
  asked = performance.now();
  say("ask");
}

function hangUp() {
  clearTimeout(retryTimer);
  answerTimer = clearTimeout(answerTimer);
  if (!socket) return;
  socket.onmessage = socket.onclose = socket.onerror = null;
  // Closed while connecting it would complain.
  if (socket.readyState) socket.close(1000);
  else socket.onopen = ({ target }) => target.close(1000);
  socket = null;
}

function connect() {
  hangUp();
  if (gone || over) return;
  if (wanted) post("extend");
  else if (tries > 1) post("presence");
  try {
    socket = new WebSocket(route("presence").replace("http", "ws"));
  } catch {
    return lost();
  }
  expect(2 * PATIENCE);
  socket.onmessage = ({ data }) => {
    const frame = JSON.parse(data);
    // At once: hidden pages' timers are throttled, messages are not.
    if (frame.type === "ping") socket.send(JSON.stringify(pong()));
    if (frame.type === "state") {
      clearTimeout(retryTimer); // set by an answer over HTTP
      answerTimer = clearTimeout(answerTimer);
      // The first after a break answers nothing: say it again.
      if (wanted && tries) say("extend");
      else wanted = false;
      tries = 0;
      pace = undefined;
    }
    hear(frame);
  };
  socket.onclose = ({ code, reason }) => {
    if (code === 4401) end(reason);
    else lost(code === 4409 ? 1000 : state.retry);
  };
  // A blocked one never says `close`.
  socket.onerror = () => lost();
}

/** Full jitter: first over `span`, then over ever more. */
function lost(span = state.retry) {
  hangUp();
  if (tries++) span = Math.min(30000, 500 * 2 ** tries);
  again(pace ?? Math.random() * span);
  troubled = wanted;
  tick();
}

function again(wait) {
  clearTimeout(retryTimer);
  retryTimer = setTimeout(connect, wait);
}

async function post(path) {
  try {
    const response = await fetch(route(path), {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(pong()),
      signal: AbortSignal.timeout(PATIENCE),
    });
    const answer = await response.json();
    if (gone || over) return;
    if (answer.left >= 0) {
      wanted = false;
      if (!isOpen()) again((pace = Math.max(1000, Math.min(25000, answer.left / 4))));
      return hear({ ...answer, type: "state" });
    }
    // The next try brings the new token.
    if (response.status === 401 && (answer.reason !== "regenerated" || tries > 5)) {
      return end(answer.reason);
    }
  } catch {}
  pace = undefined;
  troubled = wanted;
  tick();
}

// --- The server's word

function emit(type, detail, cancelable = true) {
  return document.dispatchEvent(new CustomEvent("quart-idle:" + type, { detail, cancelable }));
}

/** Takes in a `state`, `ping` or `warn`. */
function hear({ extendable, ...frame }) {
  const { type, left } = frame;
  if (!(left >= 0)) return;
  const now = performance.now();
  deadline = now + left;
  if ("total" in frame) lifetime = frame.total && now + frame.total;
  state = { ...state, ...frame, total: lifetime && Math.round(lifetime - now) };
  state.warning ??= Math.min(120000, left / 2);
  troubled = false;
  if (type !== "warn") emit("state", state, false);
  if (left > 0) cover.dialog.close();
  if (type === "warn") warn(extendable);
  else if (left > state.warning) {
    warned = null;
    wanted = false;
    prompt.dialog.close();
  } else if (type === "state" && (pace || warned !== null)) {
    warn(frame.total == null || left < frame.total);
  }
  tick();
}

function warn(extendable) {
  if (warned === extendable) return;
  warned = extendable;
  wanted = false;
  if (!emit("warning", { type: "warn", left: state.left, extendable })) return;
  nextSpoken = Infinity;
  // A key meant for the page may extend, not dismiss.
  prompt.button.autofocus = extendable;
  paint();
  show(prompt);
}

function end(reason) {
  over = true;
  hangUp();
  tick();
  prompt.dialog.close();
  put(cover.title, "You have been signed out");
  put(cover.status, REASONS[reason] ?? `Your session has ended: ${reason}.`);
  cover.link.hidden = !signInUrl;
  cover.button.hidden = !!signInUrl;
  // To navigate, as listeners may, would abort the sign-out that may be under way.
  if (leaving) {
    leaving = false;
    clockTimer = setTimeout(end, PATIENCE, reason);
    return show(cover);
  }
  if (!emit("ended", { reason })) return cover.dialog.close();
  show(cover);
  // After the cover: `beforeunload` may hold it up.
  if (expiredUrl) location.replace(expiredUrl);
}

function tick() {
  clearTimeout(clockTimer);
  if (gone || over) return;
  const left = deadline - performance.now();
  let wait = Math.min(left, 2 ** 31 - 1); // more is none
  if (prompt.dialog.open) {
    paint();
    // Never say more than is left: just before the second is over.
    if (left > 100) wait = (left - 100) % 1000;
  }
  if (left <= 0) {
    isOpen() ? ask() : veil();
    wait = 1000;
  }
  clockTimer = setTimeout(tick, wait);
}

// --- Coming and going

/** The browser would keep the socket open for a page that nobody sees. */
function leave() {
  gone = true;
  hangUp();
  tick();
  if (!over) veil(); // already there on the way back
}

function wake({ type }) {
  if (gone) {
    if (type !== "pageshow" && type !== "resume") return; // sockets would still fail
    gone = leaving = false;
    connect();
    tick();
  } else if (isOpen()) ask();
  else if (!socket) again(Math.random() * 250);
}

// --- What is seen

const TROUBLE = "We could not reach the server. Trying again…";
const ENDED = "Your session has ended.";
const SECURITY = "For your security, we signed you out because ";
const REASONS = {
  __proto__: null,
  idle: SECURITY + "you were not active.",
  lifetime: SECURITY + "your session reached its time limit.",
  closed: SECURITY + "all its pages were closed.",
  "signed out": "You signed out, perhaps in another tab.",
  regenerated: ENDED,
  unknown: ENDED,
  "": ENDED,
};

// Constructed, as policies forbid <style>.
const sheet = new CSSStyleSheet();
sheet.replaceSync(`
:host { all: initial !important }
dialog {
  box-sizing: border-box; width: 30em; padding: 1.75em; border: 1px solid; border-radius: .75em;
  color-scheme: light dark; font: medium/1.5 system-ui;
}
::backdrop { background: #000a }
h2 { margin: 0; font-size: 1.375em; line-height: 1.25; outline: 0 }
p { margin: .75em 0 1.25em }
button, a { display: inline-block; margin-inline-end: 1em; padding: .5em 0; font: inherit }
button, .cover a {
  padding: .5em 1em; border: 1px solid; border-radius: .375em;
  color: Canvas; background: CanvasText; font-weight: 600; text-decoration: none;
  forced-color-adjust: none;
}
[aria-disabled=true] { opacity: .6 }
:focus-visible { outline-offset: 3px }
p:empty, [hidden] { display: none }
.prompt [role] { position: absolute; inset: 0; overflow: hidden; clip-path: inset(50%) }
.cover {
  min-width: 100%; min-height: 100%; border: 0;
  align-content: safe center; padding-inline: max(1.75em, 50% - 13em);
}
.cover::backdrop { background: Canvas }
`);
const host = Object.assign(document.createElement("quart-idle"), { lang: "en", dir: "ltr" });
const root = host.attachShadow({ mode: "open" });
root.adoptedStyleSheets = [sheet];

function add(parent, tag, properties) {
  const element = Object.assign(document.createElement(tag), properties);
  parent.append(element);
  return element;
}

function build(className, linkText, href) {
  const dialog = add(root, "dialog", { className });
  dialog.setAttribute("closedby", "none");
  dialog.setAttribute("aria-labelledby", className + "-title");
  dialog.setAttribute("aria-describedby", className + "-status");
  // A click would cost the page's text field its selection.
  dialog.onmousedown = (event) => event.preventDefault();
  return {
    dialog,
    title: add(dialog, "h2", { id: className + "-title", tabIndex: -1 }),
    clock: add(dialog, "p", { ariaHidden: true }), // too often to be read out
    status: add(dialog, "p", { id: className + "-status", role: "status" }),
    button: add(dialog, "button", { type: "button", textContent: linkText }),
    link: add(dialog, "a", { textContent: linkText, href: href ?? "", hidden: !href }),
  };
}

const prompt = build("prompt", "Sign out", signOutUrl);
const cover = build("cover", "Sign in again", signInUrl);
let nextSpoken; // at how many seconds left the time is read out
prompt.title.textContent = "You’re about to be signed out";
prompt.button.onclick = () => (warned ? stay() : prompt.dialog.close());
cover.button.onclick = () => location.reload();

/** On top, and in <html>: the body may be replaced. */
function show({ dialog }) {
  if (!host.isConnected) document.documentElement.append(host);
  dialog.close();
  dialog.showModal();
}

// What is set again is read out again.
function put(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function amount(number, unit) {
  return number && number.toLocaleString("en", { style: "unit", unit, unitDisplay: "long" });
}

/** The time is told, but not all the time: WCAG 2.2, 2.2.1 and 4.1.3. */
function paint() {
  const left = deadline - performance.now();
  const seconds = Math.floor(left / 1000);
  const parts = [amount(Math.floor(seconds / 60), "minute"), amount(seconds % 60, "second")];
  const time = parts.filter(Boolean).join(" ") || "a moment";
  let text = "Checking…";
  if (left > 0) {
    text = warned
      ? `For your security, we will sign you out in ${time}.`
      : `For your security, this session ends in ${time} and can’t be extended. Save your work.`;
  }
  put(prompt.clock, troubled ? text + " " + TROUBLE : text);
  if (troubled) put(prompt.status, TROUBLE);
  else if (seconds <= nextSpoken) {
    nextSpoken = seconds - (seconds > 20 ? 20 : 10);
    put(prompt.status, text);
  }
  put(prompt.button, wanted ? "Please wait…" : warned ? "Stay signed in" : "Continue");
  prompt.button.ariaDisabled = wanted;
}

/** Hides the page until the server has spoken. */
function veil() {
  if (cover.dialog.open) return;
  put(cover.title, "Checking whether you are still signed in…");
  put(cover.status, "We are waiting for the server to answer.");
  cover.link.hidden = cover.button.hidden = true;
  show(cover);
}

function onEscape(event) {
  if (event.key !== "Escape" || !(prompt.dialog.open || cover.dialog.open)) return;
  event.preventDefault();
  event.stopImmediatePropagation();
  if (!cover.dialog.open) prompt.button.click();
}

// Once, however often it is loaded.
const RUNNING = Symbol.for("quart-idle");
if (!window[RUNNING]) {
  window[RUNNING] = true;
  touch({ isTrusted: true }); // opening the page
  for (const type of "pointerdown pointermove keydown wheel touchstart touchmove".split(" ")) {
    addEventListener(type, touch, { capture: true, passive: true });
  }
  addEventListener("keydown", onEscape, true);
  for (const type of ["focus", "online", "pageshow"]) addEventListener(type, wake);
  document.addEventListener("visibilitychange", (event) => document.hidden || wake(event));
  document.addEventListener("resume", wake);
  document.addEventListener("freeze", leave);
  addEventListener("pagehide", leave);
  addEventListener("beforeunload", () => (leaving = true));
  connect();
}
