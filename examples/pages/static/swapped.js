import { idle } from "/_idle/quart-idle.js";

const userOfPage = () => document.querySelector("main").dataset.user;
let user = userOfPage();

function onSwap() {
  if (userOfPage() === user) return;
  user = userOfPage();
  idle.restart(); // whose page this is has changed
}

for (const type of ["htmx:afterSettle", "htmx:historyRestore", "htmx:after:swap", "turbo:load"]) {
  document.addEventListener(type, onSwap);
}
