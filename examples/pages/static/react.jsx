import { StrictMode, useEffect, useState } from "react";
import { createPortal } from "react-dom";
import { createRoot } from "react-dom/client";
import { currentUser, go, newLetter, route, send, signIn, signOut } from "./api.js";

function Letter() {
  const [letter, setLetter] = useState(newLetter);
  const [isAsking, setIsAsking] = useState(false);

  function change({ target }) {
    const value = target.type === "checkbox" ? target.checked : target.value;
    setLetter((former) => ({ ...former, [target.name]: value }));
  }

  async function submit(event) {
    event.preventDefault();
    await send(letter);
    setLetter(newLetter());
  }

  return (
    <form data-quart-idle-draft="letter" onSubmit={submit}>
      <label>Text <textarea name="text" value={letter.text} onChange={change} /></label>
      <label>Urgent <input type="checkbox" name="urgent" checked={letter.urgent} onChange={change} /></label>
      <label>Copy to <select name="copy" value={letter.copy} onChange={change}>
        <option value="">nobody</option>
        <option>Eve</option>
      </select></label>
      <button>Send</button>
      <button type="button" onClick={() => setIsAsking(true)}>Help</button>
      <output>{JSON.stringify(letter)}</output>
      {isAsking && createPortal(
        <dialog ref={(dialog) => dialog?.showModal()} aria-label="Help">Write to somebody.</dialog>,
        document.body,
      )}
    </form>
  );
}

function Page() {
  const [user, setUser] = useState(null);
  const [page, setPage] = useState(route);

  useEffect(() => {
    currentUser().then(setUser);
    const onRoute = () => setPage(route());
    addEventListener("popstate", onRoute);
    return () => removeEventListener("popstate", onRoute);
  }, []);

  if (!user) {
    return (
      <form action={async (data) => setUser(await signIn(data.get("name")))}>
        <label>Name <input name="name" /></label> <button>Sign in</button>
      </form>
    );
  }
  return (
    <>
      <h1>{page} of {user}</h1>
      <nav><a href="notes" onClick={go}>Notes</a> <a href="letter" onClick={go}>Letter</a></nav>
      {page === "letter" && <Letter />}
      <button onClick={() => signOut().then(() => setUser(null))}>Sign out</button>
    </>
  );
}

createRoot(document.querySelector("#page")).render(<StrictMode><Page /></StrictMode>);
