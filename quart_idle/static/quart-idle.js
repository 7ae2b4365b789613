// Tells that the page is open and in use, warns before its session ends, covers it after.

const PATIENCE = 5000; // ms for an answer

const path = import.meta.url.split("?")[0];
const script = [...document.scripts].find(({ src }) => src.startsWith(path));
const { expiredUrl, signOutUrl, signInUrl, user, drafts, texts: given } = script?.dataset ?? {};

let state = { retry: 1000 };
let deadline = Infinity; // by performance.now()
let lifetime = null;
let warned = null; // else whether staying would help
let wanted = false;
let troubled = false;
let gone = false; // frozen or cached
let leaving = false; // perhaps
let over = null; // else why
let popup;

let socket = null;
let tries = 0;
let pace; // ms between tries over HTTP
let asked = -Infinity;
let drift;
let retryTimer, answerTimer, clockTimer;

let input = performance.now();
let inputDate = Date.now();

function touch({ isTrusted, type, movementX, movementY }) {
  if (!isTrusted || (type === "pointermove" && !movementX && !movementY)) return;
  input = performance.now();
  inputDate = Date.now();
}

function watch(target) {
  for (const type of "pointerdown pointermove keydown wheel touchstart touchmove".split(" ")) {
    target.addEventListener(type, touch, { capture: true, passive: true });
  }
}

function pong() {
  const idle = Math.max(performance.now() - input, Date.now() - inputDate);
  return { type: "pong", idle: Math.round(idle), visible: !document.hidden };
}

function extend() {
  if (wanted || over) return;
  wanted = true;
  if (isOpen()) say("extend");
  else connect();
  tick();
}

// --- The line

const url = (path, query) => new URL(`${path}?${new URLSearchParams(query)}`, import.meta.url).href;
const isOpen = () => socket?.readyState === WebSocket.OPEN;
const isOver = () => over && !(user && /^(idle|lifetime|closed|unknown)$/.test(over));

function say(type) {
  socket.send(JSON.stringify({ type }));
  expect(PATIENCE);
}

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
  if (socket.readyState) socket.close(1000);
  else socket.onopen = ({ target }) => target.close(1000);
  socket = null;
}

function connect() {
  hangUp();
  if (gone || isOver()) return;
  if (wanted) post("extend");
  else if (tries > 1) post("presence");
  try {
    socket = new WebSocket(url("presence", user && { user }).replace("http", "ws"));
  } catch {
    return lost();
  }
  expect(2 * PATIENCE);
  socket.onmessage = ({ data }) => {
    const frame = JSON.parse(data);
    // Not by a timer: a hidden page's are throttled.
    if (frame.type === "ping") socket.send(JSON.stringify(pong()));
    if (frame.type === "state") {
      clearTimeout(retryTimer);
      answerTimer = clearTimeout(answerTimer);
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
  socket.onerror = () => lost();
}

// Full jitter
function lost(span = state.retry) {
  span || socket.close(); // as it blocks others
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

// Else a gateway's
const isOurs = ({ headers }) => headers.get("Quart-Idle") === "1";

function send(method, path, query, body) {
  return fetch(url(path, query), {
    method,
    body: body && JSON.stringify(body),
    keepalive: true,
    signal: AbortSignal.timeout(PATIENCE),
  });
}

async function post(path) {
  try {
    const response = await send("POST", path, user && { user }, pong());
    const answer = isOurs(response) && (await response.json());
    if (gone || isOver()) return;
    if (Number.isFinite(answer.left)) {
      wanted = false;
      if (!isOpen()) again((pace = Math.max(1000, Math.min(25000, answer.left / 4))));
      return hear({ ...answer, type: "state" });
    }
    const reason = response.status === 401 && answer.reason;
    if (reason && (reason !== "regenerated" || tries > 5)) return end(reason);
  } catch {}
  pace = undefined;
  troubled = wanted;
  tick();
}

// --- The server's word

function emit(type, detail, cancelable = true) {
  return document.dispatchEvent(new CustomEvent("quart-idle:" + type, { detail, cancelable }));
}

function hear({ extendable, ...frame }) {
  const { type, left } = frame;
  if (!(left >= 0)) return;
  const now = performance.now();
  deadline = now + left;
  if ("total" in frame) lifetime = frame.total && now + frame.total;
  state = { ...state, ...frame, total: lifetime && Math.round(lifetime - now) };
  state.warning ??= Math.min(120000, left / 2);
  troubled = false;
  popup = over = popup?.close();
  if (left > 0) cover.dialog.close();
  if (type === "warn") warn(extendable);
  else if (left > state.warning) {
    warned = null;
    wanted = false;
    prompt.dialog.close();
  } else if (type === "state" && (pace || warned !== null)) {
    warn(frame.total == null || left < frame.total);
  }
  if (type !== "warn") emit("state", state, false);
  tick();
}

function warn(extendable) {
  if (warned === extendable) return;
  warned = extendable;
  wanted = false;
  keep();
  if (!emit("warning", { left: state.left, extendable })) return;
  nextSpoken = Infinity;
  prompt.button.autofocus = extendable;
  paint();
  show(prompt);
}

function end(reason) {
  hangUp();
  if (over) {
    if (reason === "switched") location.reload(popup?.close());
    else if (popup && !popup.closed) again(2000);
    return;
  }
  over = reason || "unknown";
  warned = null;
  cover.dialog.close();
  prompt.dialog.close();
  put(cover.title, texts.ended);
  put(cover.status, texts["by " + over] ?? texts.other.replace("{reason}", () => over));
  put(cover.button, over === "switched" ? texts.reload : texts.signIn);
  cover.button.hidden = false;
  if (!leaving) return part();
  clockTimer = setTimeout(part, PATIENCE);
  leaving = false;
  show(cover);
}

function part() {
  if (!emit("ended", { reason: over })) return cover.dialog.close();
  show(cover);
  if (expiredUrl) location.replace(expiredUrl);
}

function signIn() {
  if (over === "switched" || !signInUrl) location.reload();
  else if (!isOver() && (popup = open(signInUrl, "quart-idle", "width=480,height=640"))) again(2000);
  else location.assign(signInUrl);
}

function tick() {
  if (over && !gone) return;
  clearTimeout(clockTimer);
  if (gone) return;
  const now = performance.now();
  const left = deadline - now;
  const apart = Date.now() - now;
  if (Math.abs(apart - drift) > 2000 && isOpen()) ask();
  drift = apart;
  let wait = Math.min(left, 10000, Math.max(1000, left - 3000));
  if (prompt.dialog.open) {
    paint();
    if (left > 100) wait = (left - 100) % 1000;
  }
  if (left < 3000) keep();
  if (left <= 0) {
    if (isOpen()) ask();
    if (left < -900 || !isOpen()) veil();
    wait = 1000;
  }
  clockTimer = setTimeout(tick, wait);
}

// --- Coming and going

function leave() {
  gone = true;
  hangUp();
  tick();
  if (!over) veil();
}

function wake({ type }) {
  if (gone) {
    if (type !== "pageshow" && type !== "resume") return;
    gone = leaving = false;
    connect();
    tick();
  } else if (over) connect();
  else if (isOpen()) ask();
  else if (!socket) again(Math.random() * 250);
}

// --- Drafts

const page = location.pathname + location.search;
const name = (form) => form?.dataset.quartIdleDraft;
const unsaved = new Set();
const secret = new WeakSet(document.querySelectorAll("[type=password]"));
let losing = !drafts; // what is left, if it is unsaved

function fields(form) {
  return [...form.elements].filter(
    (field) =>
      field.name &&
      field.value?.at &&
      !secret.has(field) &&
      !/^(password|file|hidden|submit|button|reset|image)$/.test(field.type) &&
      !/\b(off|one-time-code|cc-|\w+-password)/.test(field.autocomplete || form.autocomplete),
  );
}

const isChoice = ({ type }) => /^(checkbox|radio)$/.test(type);

function typed(form) {
  return fields(form)
    .filter((field) => field.checked || !isChoice(field))
    .flatMap((field) => [...(field.selectedOptions ?? [field])].map((one) => [field.name, one.value]));
}

function keep() {
  for (const form of drafts ? unsaved : []) {
    const done = (answer) => (answer.ok && isOurs(answer)) || (losing = unsaved.add(form));
    unsaved.delete(form);
    send("POST", "drafts", { user }, { form: name(form), page, fields: typed(form) }).then(done).catch(() => done({}));
  }
}

function drop(form) {
  if (drafts) send("DELETE", "drafts", { user, page, form: name(form) }).catch(() => {});
}

function restore(form, draft) {
  for (const field of fields(form)) {
    const mine = draft.filter((one) => one[0] === field.name);
    const has = ({ value }) => mine.some((one) => one[1] === value);
    if (isChoice(field)) field.checked = has(field);
    else if (field.options) for (const option of field.options) option.selected = has(option);
    else if (mine[0]) field.value = draft.splice(draft.indexOf(mine[0]), 1)[0][1];
    for (const type of ["input", "change"]) field.dispatchEvent(new Event(type, { bubbles: true }));
  }
}

async function offer() {
  const forms = [...document.forms].filter(name);
  if (!drafts || !forms[0]) return;
  const answer = await (await send("GET", "drafts", { user, page })).json();
  for (const draft of answer.drafts ?? []) {
    const form = forms.find((form) => name(form) === draft.form);
    if (!form || `${typed(form)}` === `${draft.fields}`) continue;
    const bar = add(root, "section", { ariaLabel: texts.draft });
    const told = add(bar, "p", { role: "status" });
    const choose = (textContent, act) =>
      add(bar, "button", { textContent, onclick: () => bar.remove(act(form, draft.fields)) });
    choose(texts.restore, restore);
    choose(texts.discard, drop);
    attach();
    put(told, texts.draft);
  }
}

// --- What is seen

const texts = {
  title: "You’re about to be signed out",
  warning: "For your security, we will sign you out in {time}.",
  final: "Your session ends in {time} and can’t be extended. Save your work.",
  stay: "Stay signed in",
  wait: "Please wait…",
  dismiss: "Continue",
  signOut: "Sign out",
  trouble: "We could not reach the server. Trying again…",
  checking: "Checking whether you are still signed in…",
  ended: "You have been signed out",
  signIn: "Sign in again",
  reload: "Reload the page",
  draft: "You have unsent changes from before.",
  restore: "Restore",
  discard: "Discard",
  "by idle": "For your security, we signed you out because you were not active.",
  "by lifetime": "For your security, your session reached its time limit.",
  "by closed": "For your security, we signed you out because all pages were closed.",
  "by signed out": "You signed out, perhaps in another tab.",
  "by switched": "Somebody else signed in, perhaps in another tab.",
  "by regenerated": "Your session has ended.",
  "by unknown": "Your session has ended.",
  other: "Your session has ended: {reason}.",
  ...JSON.parse(given ?? "{}"),
};
const html = document.documentElement;
const known = /^[a-z]{2,3}(-[a-z]{4})?(-[a-z]{2})?(?![a-z])/i.exec(html.lang)?.[0];
const lang = ((given || /^en\b/i.test(known)) && known) || "en";

// CSP forbids <style>.
const sheet = new CSSStyleSheet();
sheet.replaceSync(`
:host { all: initial !important }
dialog, section {
  box-sizing: border-box; width: var(--quart-idle-width, 30em); padding: 1.75em;
  border: 1px solid var(--quart-idle-border, currentColor);
  border-radius: var(--quart-idle-radius, .75em);
  color: var(--quart-idle-fg, CanvasText); background: var(--quart-idle-bg, Canvas);
  color-scheme: light dark; font: medium/1.5 system-ui;
}
section { position: fixed; inset: auto 1em 1em; max-width: calc(100% - 2em); z-index: 99999999 }
::backdrop { background: var(--quart-idle-backdrop, #000a) }
h2 { margin: 0; font-size: 1.375em; line-height: 1.25; outline: 0 }
p { margin: .75em 0 1.25em }
button, a { display: inline-block; margin-inline-end: 1em; padding: .5em 0; font: inherit }
button {
  padding: .5em 1em; border: 1px solid; border-radius: .375em;
  color: var(--quart-idle-bg, Canvas); background: var(--quart-idle-fg, CanvasText);
  forced-color-adjust: none;
}
a { color: inherit }
[aria-disabled=true] { opacity: .6 }
:focus-visible { outline-offset: 3px }
p:empty, [hidden] { display: none }
.prompt [role] { position: absolute; inset: 0; clip-path: inset(50%) }
.cover {
  min-width: 100%; min-height: 100%; border: 0; border-radius: 0;
  align-content: safe center; padding-inline: max(1.75em, 50% - 13em);
  background: var(--quart-idle-veil, Canvas);
}
`);
const host = Object.assign(document.createElement("quart-idle"), { lang, dir: given ? "" : "ltr" });
const root = host.attachShadow({ mode: "open" });
root.adoptedStyleSheets = [sheet];

function add(parent, tag, properties) {
  const element = Object.assign(document.createElement(tag), properties);
  parent.append(element);
  return element;
}

function build(className, act, href) {
  const dialog = add(root, "dialog", { className, closedBy: "none" });
  dialog.setAttribute("aria-labelledby", className + "-title");
  dialog.setAttribute("aria-describedby", className + "-status");
  dialog.onmousedown = (event) => event.preventDefault();
  return {
    dialog,
    title: add(dialog, "h2", { id: className + "-title", tabIndex: -1 }),
    clock: add(dialog, "p", { ariaHidden: true }),
    status: add(dialog, "p", { id: className + "-status", role: "status" }),
    button: add(dialog, "button", { type: "button", onclick: act }),
    link: add(dialog, "a", { textContent: texts.signOut, href: href ?? "", hidden: !href }),
  };
}

const prompt = build("prompt", () => (warned ? extend() : prompt.dialog.close()), signOutUrl);
const cover = build("cover", signIn);
let nextSpoken;
prompt.title.textContent = texts.title;

function attach() {
  if (!host.isConnected) html.append(host);
}

function show({ dialog }) {
  attach();
  dialog.close();
  dialog.showModal();
}

function put(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

const amount = (number, unit) =>
  number.toLocaleString(lang, { style: "unit", unit, unitDisplay: "long" });

// WCAG 2.2: 2.2.1, 4.1.3
function paint() {
  const left = deadline - performance.now();
  const seconds = Math.max(0, Math.floor(left / 1000));
  const rest = seconds % 60;
  const time = [
    seconds > 59 && amount((seconds - rest) / 60, "minute"),
    (rest || !seconds) && amount(rest, "second"),
  ];
  const template = left > 0 ? (warned ? texts.warning : texts.final) : texts.checking;
  const text = template.replace("{time}", time.filter(Boolean).join(" "));
  put(prompt.clock, troubled ? text + " " + texts.trouble : text);
  if (troubled) put(prompt.status, texts.trouble);
  else if (seconds <= nextSpoken) {
    nextSpoken = seconds - (seconds > 20 ? 20 : 10);
    put(prompt.status, text);
  }
  put(prompt.button, wanted ? texts.wait : warned ? texts.stay : texts.dismiss);
  prompt.button.ariaDisabled = wanted;
}

function veil() {
  if (cover.dialog.open) return;
  put(cover.title, texts.checking);
  put(cover.status, texts.trouble);
  cover.button.hidden = true;
  show(cover);
}

function onEscape(event) {
  if (event.key !== "Escape" || !(prompt.dialog.open || cover.dialog.open)) return;
  event.preventDefault();
  event.stopImmediatePropagation();
  if (!cover.dialog.open) prompt.button.click();
}

const first = script && !html.quartIdle;

export const idle = html.quartIdle ?? {
  extend,
  watch,
  get left() {
    return Math.max(0, deadline - performance.now());
  },
  get state() {
    return over ? "ended" : warned !== null ? "warned" : deadline < Infinity ? "live" : "checking";
  },
};

if (first) {
  html.quartIdle = idle;
  watch(window);
  addEventListener("keydown", onEscape, true);
  for (const type of "focus online pageshow".split(" ")) addEventListener(type, wake);
  document.addEventListener("visibilitychange", (event) => (document.hidden ? keep() : wake(event)));
  document.addEventListener("resume", wake);
  document.addEventListener("toggle", () => [prompt, cover].map((box) => box.dialog.open && show(box)), true);
  document.addEventListener("freeze", leave);
  addEventListener("pagehide", leave);
  addEventListener("beforeunload", (event) => {
    leaving = true;
    if ((losing || over) && unsaved.size) event.preventDefault();
    keep();
  });
  document.addEventListener("input", ({ target }) => {
    if (target.type === "password") secret.add(target);
    if (name(target.form)) unsaved.add(target.form);
  }, true);
  document.addEventListener("submit", ({ target }) => name(target) && drop(target, unsaved.delete(target)));
  connect();
  offer().catch(() => {});
}
