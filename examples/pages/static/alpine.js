import Alpine from "/modules/alpinejs/dist/module.esm.js";
import { currentUser, go, newLetter, route, send, signIn, signOut } from "./api.js";

Alpine.data("page", () => ({
  user: null,
  page: route(),
  name: "",
  go,
  async init() {
    addEventListener("popstate", () => (this.page = route()));
    this.user = await currentUser();
  },
  async signIn() {
    this.user = await signIn(this.name);
  },
  async signOut() {
    await signOut();
    this.user = null;
  },
}));

Alpine.data("letter", () => ({
  letter: newLetter(),
  isAsking: false,
  async submit() {
    await send(this.letter);
    this.letter = newLetter();
  },
}));

Alpine.start();
