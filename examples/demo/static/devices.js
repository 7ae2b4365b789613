/** The devices page, live: the list is kept up to date, and devices are signed out in place. */

import { idle } from "../_idle/quart-idle.js";

const POLL = 3000; // ms

const list = document.getElementById("devices");
const others = document.getElementById("others");
const done = document.getElementById("done");
const url = list.dataset.url;

const minutes = (ms) => {
  const number = Math.max(0, Math.floor(ms / 60_000)); // what is new may seem to be to come
  if (!number) return "a moment ago";
  return number === 1 ? "1 minute ago" : `${number} minutes ago`;
};

/** Shows a device as the server tells of it; `now` is the server's time. */
function show(row, device, now) {
  const name = device.browser ?? device.user_agent ?? "Unknown browser";
  const since = device.authenticated_at;
  const signedIn = since ? ` ${minutes(now - Date.parse(since))}` : "";
  row.dataset.id = device.id;
  row.classList.toggle("now", device.pages > 0);
  row.querySelector("h2").textContent = name;
  row.querySelector("button").ariaLabel = `Sign out: ${name}`;
  if (!device.current) {
    row.querySelector(".active").textContent = device.pages
      ? "Active now"
      : `Last active ${minutes(now - Date.parse(device.active_at))}`;
  }
  row.querySelector(".signed-in").textContent =
    `Signed in${signedIn}` + (device.address ? ` from ${device.address}` : "");
}

/** All devices, and the server's time. A long list comes in parts, each sorted by itself. */
async function ask() {
  const devices = [];
  let now = Date.now();
  for (let part = url; part; ) {
    const response = await fetch(part);
    if (!response.ok) throw new Error(`no list: ${response.status}`);
    devices.push(...(await response.json()));
    now = Date.parse(response.headers.get("Date") ?? "") || now;
    const [, next] = response.headers.get("Link")?.match(/<(.*)>; rel="next"/) ?? [];
    part = next && new URL(next, response.url);
  }
  const activity = (device) => Date.parse(device.active_at);
  devices.sort((one, other) => other.current - one.current || activity(other) - activity(one));
  return { devices, now };
}

let updates = 0;
let shown = 0;

async function update() {
  const number = ++updates;
  let answer;
  try {
    answer = await ask();
  } catch {
    return; // the next one may get through; that the session is over is told by the page's client
  }
  if (number < shown) return; // what was asked for later is shown already
  shown = number;
  const { devices, now } = answer;
  const rows = new Map([...list.children].map((row) => [row.dataset.id, row]));
  for (const [place, device] of devices.entries()) {
    // Signed in again, this device has another id.
    const id = device.current ? list.querySelector(".own").dataset.id : device.id;
    const row =
      rows.get(id) ?? document.getElementById("another").content.firstElementChild.cloneNode(true);
    rows.delete(id);
    show(row, device, now);
    // Only what stands elsewhere is moved: a button that is moved loses the focus.
    if (list.children[place] !== row) list.insertBefore(row, list.children[place]);
  }
  for (const row of rows.values()) row.remove();
  others.hidden = devices.length < 2;
}

/** Ends what `which` names; whether the server has done it, or it was over before. */
async function end(which) {
  try {
    const response = await fetch(url + which, { method: "DELETE" });
    // If it was refused, nothing was done: it is asked for again after the proof.
    if (await idle.reauthenticate(response)) return end(which);
    return response.ok || response.status === 404;
  } catch {
    return false;
  }
}

document.addEventListener("submit", async (event) => {
  const row = event.target.closest(".device:not(.own)");
  if (!row) return;
  event.preventDefault();
  const ended = await end(`/${row.dataset.id}`);
  done.textContent = ended
    ? `Signed out: ${row.querySelector("h2").textContent}`
    : "That did not work. Please try again.";
  await update();
  if (ended) document.querySelector("h1").focus();
});

// While this page's own session is over, there is nothing to ask for.
let over = false;
document.addEventListener("quart-idle:ended", () => (over = true));
document.addEventListener("quart-idle:state", () => (over = false));

const updateIfSeen = () => document.hidden || over || update();
document.addEventListener("visibilitychange", updateIfSeen);
setInterval(updateIfSeen, POLL);
