// Tells that a page is open, warns before its session ends, covers it after.

const PATIENCE = 5000; // ms for an answer

function real(object) {
  const get = (_, name) => {
    const found = Reflect.get(Object.getPrototypeOf(object), name, object);
    return typeof found === "function" ? found.bind(object) : found;
  };
  return new Proxy({}, { get });
}

const doc = real(document);
const html = doc.documentElement;
const path = import.meta.url.split("?")[0];
const find = () => [...doc.querySelectorAll("script[src]")].find(({ src }) => src.startsWith(path));

let tag, drafts, whose;
let user; // null: to be asked for

let state = { retry: 1000 };
let deadline = Infinity; // by performance.now()
let lifetime = null;
let warned = null; // else whether staying helps
let wanted = false;
let troubled = false;
let gone = false; // frozen or cached
let leaving = -Infinity; // perhaps
let over = null; // else why
let popup;

let socket = null;
let stays = -Infinity;
let tries = 0;
let pace; // ms between tries over HTTP
let asked = -Infinity;
let drift;
let retryTimer, answerTimer, clockTimer;

let input = performance.now();
let inputDate = Date.now();

function touch({ isTrusted, type, movementX, movementY, inputType }) {
  if (!isTrusted || (type === "input" && !inputType)) return;
  if (type === "pointermove" && !movementX && !movementY) return;
  input = performance.now();
  inputDate = Date.now();
}

function on(target, types, act, options = true) {
  for (const type of types.split(" ")) target.addEventListener(type, act, options);
}

function watch(target) {
  const types = "pointerdown pointermove keydown input wheel touchstart touchmove";
  on(target, types, touch, { capture: true, passive: true });
}

function pong() {
  const idle = Math.max(performance.now() - input, Date.now() - inputDate);
  return { type: "pong", idle: Math.round(idle), visible: !doc.hidden };
}

function extend() {
  if (wanted || over || !tag) return;
  wanted = true;
  if (isOpen()) say("extend");
  else connect();
  tick();
}

// --- The line

const url = (path, query) => new URL(`${path}?${new URLSearchParams(query)}`, import.meta.url).href;
const isOpen = () => socket?.readyState === 1;
const isOver = () => over && !(user && /^(idle|lifetime|closed|unknown)$/.test(over));

function say(type) {
  socket.send(JSON.stringify({ type }));
  answerTimer ??= setTimeout(lost, PATIENCE, 0);
}

function ask() {
  if (!isOpen() || performance.now() - asked < 1000) return;
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
  if (user === null) return learn();
  if (wanted) post("extend");
  else if (tries > 1) post("presence");
  try {
    socket = new WebSocket(url("presence", user && { user }).replace("http", "ws"));
  } catch {
    return lost();
  }
  answerTimer = setTimeout(lost, 2 * PATIENCE, 0);
  socket.onmessage = ({ data }) => {
    const frame = JSON.parse(data);
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

function lost(span = state.retry) {
  span || socket.close();
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

const isOurs = ({ headers }) => headers.get("Quart-Idle") === "1";

function send(method, path, query, body) {
  return fetch(url(path, query), {
    method,
    body: body && JSON.stringify(body),
    credentials: "include",
    keepalive: true,
    signal: AbortSignal.timeout(PATIENCE),
  });
}

async function call(...request) {
  const response = await send(...request);
  const answer = isOurs(response) ? await response.json() : {};
  if (response.status !== 401) delete answer.reason;
  return answer;
}

async function post(path) {
  try {
    const answer = await call("POST", path, user && { user }, pong());
    if (gone || isOver()) return;
    if (answer.left != null) {
      wanted = false;
      if (!isOpen()) again((pace = Math.max(1000, Math.min(25000, answer.left / 4))));
      return hear({ ...answer, type: "state" });
    }
    const { reason } = answer;
    if (reason && (reason !== "regenerated" || tries > 5)) return end(reason);
  } catch {}
  pace = undefined;
  troubled = wanted;
  tick();
}

// --- The server's word

function fire(target, type, detail, cancelable = false) {
  const event = doc.createEvent("CustomEvent");
  event.initCustomEvent(type, true, cancelable, detail);
  return target.dispatchEvent(event);
}

const emit = (type, detail, cancelable = true) =>
  fire(doc, "quart-idle:" + type, detail, cancelable);

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
  if (left > 0) uncover();
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
  if (emit("warning", { left: state.left, extendable })) {
    nextSpoken = Infinity;
    prompt.button.autofocus = extendable;
    paint();
    show(prompt);
  }
  keep();
}

function end(reason) {
  hangUp();
  if (over) {
    if (reason === "switched") go(popup?.close());
    else if (popup && !popup.closed) again(2000);
    return;
  }
  over = reason || "unknown";
  warned = null;
  uncover();
  prompt.dialog.close();
  put(cover.title, texts.ended);
  put(cover.status, texts["by " + over] ?? texts.other.replace("{reason}", () => over));
  put(cover.button, over === "switched" ? texts.reload : texts.signIn);
  cover.button.hidden = false;
  const wait = leaving + PATIENCE - performance.now();
  leaving = -Infinity;
  clearTimeout(clockTimer);
  if (wait <= 0) return part();
  clockTimer = setTimeout(part, wait);
  show(cover);
}

function part() {
  if (!emit("ended", { reason: over })) return uncover();
  show(cover);
  if (tag.expiredUrl) location.replace(tag.expiredUrl);
}

function signIn() {
  const { signInUrl } = tag;
  if (over === "switched" || !signInUrl) return go();
  if (!isOver()) {
    try {
      popup = open(signInUrl, "quart-idle", "width=480,height=640");
      if (popup.closed === false) return again(2000);
    } catch {}
    popup = null;
  }
  location.assign(signInUrl);
}

const arrival = () => performance.getEntriesByType("navigation")[0];

async function go() {
  const { href } = location;
  const [page] = href.split("#");
  const { state, replaceState } = real(history);
  // Not from the cache.
  if (arrival()?.transferSize === 0) await fetch(page, { cache: "reload" }).catch(() => {});
  // To a hash one only scrolls.
  if (page !== href) replaceState(state, "", page + "?");
  location.replace(href);
  if (page !== href) replaceState(state, "", href);
}

function restart() {
  begin() || begin({ dataset: { user: null } });
  hangUp();
  clearTimeout(clockTimer);
  popup = over = popup?.close();
  user = warned = null;
  deadline = Infinity;
  prompt.dialog.close();
  uncover();
  connect();
}

async function learn() {
  const mine = (socket = {});
  try {
    const answer = await call("GET", "state", { tag: "" });
    if (mine !== socket) return;
    if (answer.left != null) {
      user = answer.user ?? undefined;
      drafts = answer.drafts;
      handed();
      if (whose !== user) unsaved.clear(unkept.clear());
      whose = user;
      connect();
      return onParsed(look);
    }
    // Nobody is signed out.
    if (answer.reason) return whose ? end(answer.reason) : (over = answer.reason);
  } catch {}
  if (mine === socket) lost();
}

function tick() {
  if (over && !gone) return;
  clearTimeout(clockTimer);
  if (gone) return;
  const now = performance.now();
  const left = deadline - now;
  const apart = Date.now() - now;
  if (Math.abs(apart - drift) > 2000) ask();
  drift = apart;
  let wait = Math.min(left, 10000, Math.max(1000, left - 3000));
  if (prompt.dialog.open) {
    paint();
    if (left > 100) wait = (left - 100) % 1000;
  }
  if (left <= 0) {
    ask();
    if (left < -900 || !isOpen()) veil();
    wait = 1000;
  }
  clockTimer = setTimeout(tick, wait);
  look();
  if (left < 3000) keep();
}

function leave() {
  gone = true;
  hangUp();
  tick();
  if (!over) veil();
}

function wake({ type }) {
  if (gone) {
    if (type !== "pageshow" && type !== "resume") return;
    gone = false;
    connect();
    tick();
  } else if (type === "pageshow") return;
  else if (over) connect();
  else if (socket) ask();
  else again(Math.random() * 250);
}

function handed() {
  try {
    const former = sessionStorage["quart-idle"];
    const others = former && user !== null && former !== user;
    if (user) sessionStorage["quart-idle"] = others ? "others" : user;
    return others;
  } catch {}
}

function clicked(event) {
  const link = event.composedPath().find(({ protocol }) => protocol);
  if (link && !/^http/.test(link.protocol)) stays = performance.now();
}

function unload(event) {
  const now = performance.now();
  if (now - stays > 1000) leaving = now;
  const any = (forms) => [...forms].some((form) => real(form).isConnected);
  if (any(unkept) || ((losing || over) && any(unsaved))) event.preventDefault();
  keep();
}

// --- Drafts

const MARK = "data-quart-idle-draft";
const PRIVATE = /(^|\s)(off|one-time-code|cc-\S*|(current|new)-password)(\s|$)/i;

const address = () => location.pathname + location.search;
const here = () => whose + address();
const written = (element, name) => real(element).getAttribute?.(name) ?? "";
const name = (form) => written(form, MARK);
const unsaved = new Set();
const unkept = new Set();
let losing = false;
const places = new WeakMap();
const offered = new WeakMap();
const secret = new WeakSet();
let at;

const isCustom = ({ localName }) => /-/.test(localName);
const isChoice = (field) =>
  /^(checkbox|radio)$/.test(field.type) || (isCustom(field) && "checked" in field);
const isSelect = ({ localName }) => localName === "select";
const nameOf = (field) => field.name || written(field, "name");

const inside = (element) =>
  [element, element.shadowRoot ?? element]
    .flatMap((root) => [...root.querySelectorAll("*")])
    .flatMap((inner) => (inner.shadowRoot ? [inner, ...inside(inner)] : inner));

const isSecret = (field) =>
  secret.has(field) ||
  (field.type ?? written(field, "type")) === "password" ||
  PRIVATE.test(written(field, "autocomplete"));

function fields(form) {
  const { elements, querySelectorAll } = real(form);
  return [...new Set([...elements, ...[...querySelectorAll("*")].filter(isCustom)])].filter(
    (field) =>
      nameOf(field) &&
      typeof field.value === "string" &&
      !/^(file|hidden|submit|button|reset|image|output)$/.test(field.type) &&
      !PRIVATE.test(written(field, "autocomplete") || written(form, "autocomplete")) &&
      ![field, ...inside(field)].some(isSecret),
  );
}

function typed(form) {
  return fields(form)
    .filter((field) => field.checked || !isChoice(field))
    .flatMap((field) =>
      (isSelect(field) ? [...field.selectedOptions] : [field]).map(({ value }) => [
        nameOf(field),
        value,
      ]),
    );
}

function keep() {
  for (const form of drafts ? unsaved : []) {
    unsaved.delete(form);
    keepOne(form).catch(() => (losing = unsaved.add(form)));
  }
}

async function keepOne(form) {
  const draft = { form: name(form), page: [...places.get(form)].pop(), fields: typed(form) };
  const response = await send("POST", "drafts", { user }, draft);
  if (!response.ok || !isOurs(response)) throw response;
}

function drop(form, pages) {
  for (const page of drafts ? pages : []) {
    send("DELETE", "drafts", { user, page, form: name(form) }).catch(() => {});
  }
}

const set = (field, name, value) => Reflect.set(Object.getPrototypeOf(field), name, value, field);

async function putBack(field, draft) {
  const mine = draft.filter((one) => one[0] === nameOf(field));
  const has = ({ value }) => mine.some((one) => one[1] === value);
  if (isChoice(field)) {
    if (field.checked !== has(field)) field.click();
    if (field.checked === has(field)) return;
    set(field, "checked", has(field));
  } else if (isSelect(field)) {
    for (const option of field.options) option.selected = has(option);
  } else if (mine[0]) set(field, "value", draft.splice(draft.indexOf(mine[0]), 1)[0][1]);
  for (const type of ["input", "change"]) fire(field, type);
}

async function restore(form, draft) {
  for (const field of fields(form)) await putBack(field, draft).catch(() => {});
}

async function offer(forms = doc.querySelectorAll(`form[${MARK}]`)) {
  const place = here();
  const fresh = [...forms].filter((form) => name(form) && offered.get(form) !== place);
  if (!drafts || !fresh[0]) return;
  for (const form of fresh) offered.set(form, place);
  const query = { user, page: address() };
  const { drafts: found } = await call("GET", "drafts", query).catch(() => ({}));
  for (const draft of place === here() && found ? found : []) {
    const form = fresh.find((form) => name(form) === draft.form);
    if (!form || `${typed(form)}` === `${draft.fields}`) continue;
    const bar = add(root, "section", { ariaLabel: texts.draft });
    const told = add(bar, "p", { role: "status" });
    const choose = (textContent, act) =>
      add(bar, "button", { textContent, onclick: () => bar.remove(act()) });
    choose(texts.restore, () => restore(form, draft.fields));
    choose(texts.discard, () => drop(form, [draft.page]));
    attach();
    put(told, texts.draft);
  }
}

function look() {
  if (at === here()) return;
  at = here();
  for (const bar of root.querySelectorAll("section")) bar.remove();
  keep();
  offer();
}

function formIn(path) {
  for (const node of path) {
    const { nodeType, localName, form } = real(node);
    const found = localName === "form" ? node : form;
    if (nodeType === 1 && found && name(found)) return found;
  }
}

function noteSecrets() {
  for (const field of doc.querySelectorAll("[type=password]")) secret.add(field);
}

function onInput(event) {
  const path = event.composedPath();
  const [field] = path;
  const form = formIn(path);
  if (field.type === "password") {
    for (const node of path) if (node === field || isCustom(node)) secret.add(node);
  }
  if (!form) return;
  look();
  const page = address();
  const pages = places.get(form) ?? new Set();
  pages.delete(page);
  places.set(form, pages.add(page));
  unsaved.add(form);
  on(real(real(form).getRootNode()), "submit", onSubmit);
  const isPlain = isSecret(field) || (real(field).form === form && !isCustom(field));
  if (!drafts || !(isPlain || fields(form).some((one) => path.includes(one)))) unkept.add(form);
}

function onSubmit({ target }) {
  if (!name(target)) return;
  for (const forms of [unsaved, unkept]) forms.delete(target);
  drop(target, places.get(target) ?? [address()]);
}

function onFocus(event) {
  noteSecrets();
  look();
  const form = formIn(event.composedPath());
  if (form) offer([form]);
}

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
};
let prompt, cover, nextSpoken;

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
const blank = new CSSStyleSheet();
blank.replaceSync("@media print { :root:root > :not(quart-idle) { display: none !important } }");
blank.disabled = true;

const host = doc.createElement("quart-idle");
const root = host.attachShadow({ mode: "open" });
root.adoptedStyleSheets = [sheet];

function add(parent, tag, properties) {
  const element = Object.assign(doc.createElement(tag), properties);
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

function attach() {
  if (!host.isConnected) html.append(host);
  const { adoptedStyleSheets } = doc;
  if (!adoptedStyleSheets.includes(blank)) adoptedStyleSheets.push(blank);
}

function show({ dialog }) {
  attach();
  dialog.close();
  dialog.showModal();
  blank.disabled = !cover.dialog.open;
}

function uncover() {
  cover.dialog.close();
  blank.disabled = true;
}

function put(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

const amount = (number, unit) =>
  number.toLocaleString(host.lang, { style: "unit", unit, unitDisplay: "long" });

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

const mine = {
  extend,
  restart,
  watch,
  get left() {
    return Math.max(0, deadline - performance.now());
  },
  get state() {
    return over ? "ended" : warned !== null ? "warned" : deadline < Infinity ? "live" : "checking";
  },
};

export const idle = (html.quartIdle ??= mine);

function onParsed(act) {
  if (doc.readyState === "loading") on(doc, "DOMContentLoaded", () => act());
  else act();
}

function begin(script = find()) {
  if (tag || !script) return tag;
  ({ user, drafts, ...tag } = script.dataset);
  whose = user;
  at = here();
  Object.assign(texts, JSON.parse(tag.texts ?? "{}"));
  const known = /^[a-z]{2,3}(-[a-z]{4})?(-[a-z]{2})?(?![a-z])/i.exec(html.lang)?.[0];
  host.lang = ((tag.texts || /^en\b/i.test(known)) && known) || "en";
  host.dir = tag.texts ? "" : "ltr";
  prompt = build("prompt", () => (warned ? extend() : prompt.dialog.close()), tag.signOutUrl);
  prompt.title.textContent = texts.title;
  cover = build("cover", signIn);

  watch(window);
  on(window, "keydown", onEscape);
  on(window, "focus online pageshow", wake, false);
  on(window, "pagehide", leave);
  on(window, "beforeprint", attach);
  on(window, "beforeunload", unload);
  on(doc, "visibilitychange", (event) => (doc.hidden ? keep() : wake(event)));
  on(doc, "resume", wake);
  on(doc, "freeze", leave);
  on(doc, "toggle", () => [prompt, cover].map((box) => box.dialog.open && show(box)));
  on(doc, "click", clicked);
  on(doc, "input", onInput);
  on(doc, "submit", onSubmit);
  on(doc, "focusin", onFocus);

  const type = arrival()?.type;
  if (type === "back_forward") veil();
  if (handed() && type !== "navigate") go();
  else connect();
  noteSecrets();
  onParsed(noteSecrets);
  onParsed(offer);
  return tag;
}

if (idle !== mine) fire(html, "quart-idle:tag");
else if (!begin()) {
  on(html, "quart-idle:tag", () => begin());
  onParsed(() => begin() || console.info("quart-idle: the page has no tag"));
}
