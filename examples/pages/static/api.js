// What the pages of all frameworks have in common: the server, and addresses.

import { idle } from "/_idle/quart-idle.js";

function post(path, body = {}) {
  const headers = { "Content-Type": "application/json" };
  return fetch(path, { method: "POST", headers, body: JSON.stringify(body) });
}

export const newLetter = () => ({ text: "", urgent: false, copy: "" });

export async function currentUser() {
  const response = await fetch("/api/me");
  return (await response.json()).user;
}

export async function signIn(name) {
  await post("/api/sign-in", { name });
  idle.restart(); // whose page this is has changed
  return name;
}

export async function signOut() {
  // The page shows by itself that nobody is signed in: no cover.
  const type = "quart-idle:ended";
  document.addEventListener(type, (event) => event.preventDefault(), { once: true });
  await post("/api/sign-out");
}

export async function send(letter) {
  const response = await post("/api/letter", letter);
  if (!response.ok) throw response;
}

export const route = () => location.pathname.split("/").pop();

export function go(event) {
  event.preventDefault();
  history.pushState(null, "", event.target.href);
  dispatchEvent(new PopStateEvent("popstate"));
}
