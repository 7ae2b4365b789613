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
  const response = await post("/api/sign-in", { name });
  if (!response.ok) throw response;
  idle.restart(); // whose page this is has changed
  return name;
}

export async function signOut() {
  // The page shows by itself that nobody is signed in: no cover.
  const type = "quart-idle:ended";
  const stop = (event) => event.preventDefault();
  document.addEventListener(type, stop, { once: true });
  try {
    const response = await post("/api/sign-out");
    if (!response.ok) throw response;
  } catch (error) {
    document.removeEventListener(type, stop);
    throw error;
  }
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
