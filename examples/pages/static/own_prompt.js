import { idle } from "/_idle/quart-idle.js";

document.addEventListener("quart-idle:warning", (event) => {
  event.preventDefault();
  document.querySelector("#stay").hidden = !event.detail.extendable;
  document.querySelector("#bar").hidden = false;
});
document.addEventListener("quart-idle:state", () => {
  document.querySelector("#bar").hidden = idle.state !== "warned";
});
document.querySelector("#stay").onclick = () => idle.extend();

document.addEventListener("quart-idle:ended", (event) => {
  event.preventDefault();
  location.replace(`/goodbye?why=${encodeURIComponent(event.detail.reason)}`);
});
