import { createApp } from "/modules/vue/dist/vue.esm-browser.prod.js";
import { currentUser, go, newLetter, route, send, signIn, signOut } from "./api.js";

const Letter = {
  template: "#letter",
  data: () => ({ letter: newLetter(), isAsking: false }),
  methods: {
    async submit() {
      await send(this.letter);
      this.letter = newLetter();
    },
  },
  directives: { modal: { mounted: (dialog) => dialog.showModal() } },
};

const Page = {
  template: "#template",
  components: { Letter },
  data: () => ({ user: null, page: route(), name: "" }),
  async mounted() {
    addEventListener("popstate", () => (this.page = route()));
    this.user = await currentUser();
  },
  methods: {
    go,
    async signIn() {
      this.user = await signIn(this.name);
    },
    async signOut() {
      await signOut();
      this.user = null;
    },
  },
};

createApp(Page).mount("#page");
