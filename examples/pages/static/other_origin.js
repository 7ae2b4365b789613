const api = document.querySelector("meta[name=api]").content;
const { idle } = await import(`${api}/_idle/quart-idle.js`);

const form = document.querySelector("#sign-in");
const content = document.querySelector("#content");

function post(path, body = {}) {
  const headers = { "Content-Type": "application/json" };
  const options = { method: "POST", headers, body: JSON.stringify(body) };
  return fetch(api + path, { ...options, credentials: "include" });
}

async function showUser() {
  const response = await fetch(`${api}/me`, { credentials: "include" });
  const { user } = await response.json();
  form.hidden = user !== null;
  content.hidden = user === null;
  document.querySelector("#name").textContent = user;
  return user;
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  await post("/sign-in", { name: new FormData(form).get("name") });
  const user = await showUser();
  if (user) idle.restart();
  document.querySelector("[role=status]").textContent = user ? "" : "Your browser sent no cookie.";
});

document.querySelector("#sign-out").onclick = () => post("/sign-out");

document.addEventListener("quart-idle:ended", (event) => {
  event.preventDefault(); // no cover: this page has a sign-in form of its own
  showUser();
});

// There is no tag that would begin.
if (await showUser()) idle.restart();
