import { idle } from "/_idle/quart-idle.js";

async function showCode() {
  const answer = await fetch("/api/recovery-code", { method: "POST" });
  // They have proved it: ask once more.
  if (await idle.reauthenticate(answer)) return showCode();
  if (answer.ok) document.querySelector("#code").textContent = (await answer.json()).code;
}

document.querySelector("#show").onclick = showCode;
