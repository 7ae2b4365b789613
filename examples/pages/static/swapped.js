import { idle } from "/_idle/quart-idle.js";

const userOfPage = () => document.querySelector("main").dataset.user;
let user = userOfPage();

function onSwap() {
  if (userOfPage() === user) return;
  user = userOfPage();
  forgetPages();
  idle.restart(); // whose page this is has changed
}

// Back would show them to the next user.
function forgetPages() {
  window.Turbo?.cache.clear();
  sessionStorage.removeItem("htmx-history-cache");
}

for (const type of ["htmx:afterSettle", "htmx:historyRestore", "htmx:after:swap", "turbo:load"]) {
  document.addEventListener(type, onSwap);
}
