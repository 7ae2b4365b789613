import { idle } from "/_idle/quart-idle.js";

const form = document.querySelector("#sign-in");
const content = document.querySelector("#content");

async function showUser() {
  const response = await fetch("/api/me");
  const user = response.ok ? (await response.json()).user : null;
  form.hidden = user !== null;
  content.hidden = user === null;
  document.querySelector("#name").textContent = user;
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const body = JSON.stringify({ name: new FormData(form).get("name") });
  const headers = { "Content-Type": "application/json" };
  await fetch("/api/sign-in", { method: "POST", headers, body });
  idle.restart(); // whose page this is has changed
  await showUser();
});

document.querySelector("#sign-out").onclick = () => fetch("/api/sign-out", { method: "POST" });

document.addEventListener("quart-idle:ended", (event) => {
  event.preventDefault(); // no cover: this page has a sign-in form of its own
  showUser();
});

await showUser();
