import { basicSetup, EditorView } from "codemirror";

const tellOf = (field) => field.dispatchEvent(new Event("input", { bubbles: true }));

const code = document.querySelector("#code");
const view = new EditorView({
  parent: code,
  extensions: [basicSetup, EditorView.updateListener.of((update) => update.docChanged && tellOf(code))],
});
Object.defineProperty(code, "value", {
  get: () => view.state.doc.toString(),
  set: (text) => view.dispatch({ changes: { from: 0, to: view.state.doc.length, insert: text } }),
});

const text = document.querySelector("#text");
const [editor] = await window.tinymce.init({
  target: text.querySelector("textarea"),
  license_key: "gpl",
  promotion: false,
});
editor.on("input change undo redo", () => tellOf(text));
Object.defineProperty(text, "value", {
  get: () => editor.getContent(),
  set: (html) => editor.setContent(html), // which sanitises
});
