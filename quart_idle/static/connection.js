// The line to the server: a socket, or requests where sockets are blocked.

import { PATIENCE, idleFor, page } from "./browser.js";

/** @type {Session} */
let session;
/** @type {WebSocket | undefined} */
let socket;
/** The question whose page this is, while it is not answered. @type {object | undefined} */
let inquiry;
/** What was asked before it is of another session. @type {object | undefined} */
let lastInquiry;
let isForbidden = false; // a socket, by the page's policy
let losses = 0; // since the server was heard
let pollEvery = 0; // ms; 0: sockets are not blocked
let askedAt = -Infinity;
/** @type {Timer} */
let retryTimer;
/** @type {Timer} */
let answerTimer;

/** @param {Session} delegate */
export const listen = (delegate) => (session = delegate);
const isOpen = () => socket?.readyState === 1;
// One that is closing will soon say why.
export const isLost = () => ![1, 2].includes(socket?.readyState ?? 0);
export const isPolling = () => pollEvery > 0;

/**
 * @param {string} route
 * @param {Query} query
 */
const url = (route, query) =>
  new URL(`../${route}?${new URLSearchParams(query)}`, import.meta.url).href;
const whose = () => (session.user ? { user: session.user } : undefined);
const pong = () => ({ type: "pong", idle: idleFor(), visible: !page.hidden });

/**
 * @param {string} method
 * @param {string} route
 * @param {Query} query
 * @param {object} [body]
 */
export function send(method, route, query, body) {
  return fetch(url(route, query), {
    method,
    body: body && JSON.stringify(body),
    credentials: "include",
    keepalive: true,
    signal: AbortSignal.timeout(PATIENCE),
  });
}

/**
 * Gateways and portals answer, too.
 * @param {Response} response
 */
export const isOurs = ({ headers }) => headers.get("Quart-Idle") === "1";

/**
 * What the server answers; empty if it does not. Only a 401 says that a session is over.
 * @param {Parameters<typeof send>} what
 */
export async function request(...what) {
  try {
    const response = await send(...what);
    const answer = isOurs(response) ? await response.json() : {};
    if (response.status !== 401) delete answer.reason;
    return answer;
  } catch {
    return {};
  }
}

/** @param {"extend" | "presence"} route */
async function post(route) {
  const last = lastInquiry;
  const answer = await request("POST", route, whose(), pong());
  if (session.isAway || session.isOverForGood || last !== lastInquiry) return;
  const { left, reason } = answer;
  if (left != null) {
    session.wantsToStay = false;
    if (!isOpen()) openAfter((pollEvery = Math.max(1000, Math.min(25000, left / 4))));
    session.hear({ ...answer, type: "state" });
  } else if (reason && (reason !== "regenerated" || losses > 5)) {
    session.end(reason);
  } else {
    pollEvery = 0;
    if (isForbidden) lose();
    else session.fail();
  }
}

async function inquire() {
  const mine = (lastInquiry = inquiry = {});
  const answer = await request("GET", "state", { tag: "" });
  if (mine !== inquiry) return;
  if (answer.left != null) session.identify(answer);
  else if (answer.reason) session.end(answer.reason);
  else lose();
}

// All comes together here.
export function open() {
  close();
  // A page that is prerendered may never be seen.
  if (page.prerendering || session.isAway || session.isOverForGood) return;
  if (!session.isIdentified) return inquire();
  if (session.wantsToStay) post("extend");
  else if (losses > 1 || isForbidden) post("presence");
  if (isForbidden) return;
  try {
    socket = new WebSocket(url("presence", whose()).replace("http", "ws"));
  } catch {
    return lose();
  }
  answerTimer = setTimeout(giveUp, 2 * PATIENCE);
  socket.onmessage = ({ data }) => hear(JSON.parse(data));
  socket.onclose = ({ code, reason }) => {
    if (code === 4401) session.end(reason);
    else lose(code === 4409 ? 1000 : undefined); // the token has changed
  };
  socket.onerror = () => lose();
}

/** @param {number} wait ms */
export function openAfter(wait) {
  clearTimeout(retryTimer);
  retryTimer = setTimeout(open, wait);
}

/**
 * Each try to open a socket that a policy forbids is reported to whoever has that policy. (It may
 * forbid another one, of the application's, and allow ours.)
 * @param {SecurityPolicyViolationEvent} event
 */
export function onViolation({ blockedURI, disposition }) {
  if (disposition !== "enforce" || isOpen()) return;
  const ours = new URL(import.meta.url).origin.replace("http", "ws");
  // Some browsers tell the scheme alone.
  if (/^wss?$/.test(blockedURI) || blockedURI.startsWith(ours)) isForbidden = true;
}

export function close() {
  const old = socket;
  socket = inquiry = undefined;
  clearTimeout(retryTimer);
  stopWaiting();
  if (!old) return;
  old.onmessage = old.onclose = old.onerror = null;
  // To close it while it connects is an error in the console.
  if (old.readyState) old.close(1000);
  else old.onopen = () => old.close(1000);
}

/** @param {Frame} frame */
function hear(frame) {
  // At once: only the timers of hidden pages are held back.
  if (frame.type === "ping") socket?.send(JSON.stringify(pong()));
  if (frame.type === "state") {
    clearTimeout(retryTimer);
    stopWaiting();
    if (session.wantsToStay && losses) say("extend");
    else session.wantsToStay = false;
    losses = pollEvery = 0;
    isForbidden = false;
  }
  session.hear(frame);
}

// With full jitter: over `span` ms, then over twice as many each time.
function lose(span = session.told.retry) {
  close();
  if (losses++) span = Math.min(30000, 500 * 2 ** losses);
  openAfter(pollEvery || Math.random() * span);
  session.fail();
}

// The first time, another socket is tried at once.
function giveUp() {
  socket?.close();
  lose(0);
}

/** @param {"extend" | "ask"} type */
function say(type) {
  socket?.send(JSON.stringify({ type }));
  answerTimer ??= setTimeout(giveUp, PATIENCE);
}

function stopWaiting() {
  clearTimeout(answerTimer);
  answerTimer = undefined;
}

export function ask() {
  if (!isOpen() || performance.now() - askedAt < 1000) return;
  askedAt = performance.now();
  say("ask");
}

export function extend() {
  if (isOpen()) say("extend");
  else open();
}

export function hurry() {
  if (socket || inquiry) ask();
  else openAfter(Math.random() * 250);
}
