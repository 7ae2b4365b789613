/** The session page, live: what is left, and what the page's client says of it. */

const POLL = 2000; // ms
const MOST_EVENTS = 6;

const clocks = ["left", "total"].map((name) => {
  const meter = document.getElementById(name);
  return { name, meter, text: meter.previousElementSibling, end: NaN };
});

/** Takes in what the server's view and the client's events tell alike. */
function take(times) {
  for (const clock of clocks) clock.end = performance.now() + (times[clock.name] ?? NaN);
  paint();
}

function paint() {
  for (const { meter, text, end } of clocks) {
    if (Number.isNaN(end)) continue;
    const seconds = Math.max(0, Math.floor((end - performance.now()) / 1000));
    meter.value = seconds;
    text.textContent = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
  }
}

async function poll() {
  try {
    const response = await fetch(document.getElementById("clocks").dataset.url);
    if (response.ok) take(await response.json());
  } catch {
    // The next one may get through.
  }
}

const events = document.getElementById("events");

function note({ type }, text) {
  document.getElementById("silence").hidden = true;
  const item = document.createElement("li");
  const code = document.createElement("code");
  code.textContent = type;
  item.append(new Date().toLocaleTimeString("en-GB"), " ", code, " ", text);
  events.prepend(item);
  while (events.children.length > MOST_EVENTS) events.lastChild.remove();
}

const seconds = (milliseconds) => `${Math.floor(milliseconds / 1000)} s left`;

document.addEventListener("quart-idle:state", (event) => {
  take(event.detail);
  note(event, seconds(event.detail.left));
});
document.addEventListener("quart-idle:warning", (event) => note(event, seconds(event.detail.left)));
document.addEventListener("quart-idle:ended", (event) => {
  clearInterval(painting);
  clearInterval(polling);
  note(event, event.detail.reason);
});

const painting = setInterval(paint, 250);
const polling = setInterval(poll, POLL);
