// What a covered page plays is paused, and stays so: it would be heard, and seen in the window of a
// picture in picture.

import { native, on, page } from "./browser.js";
import { cover } from "./dialogs.js";

function pause() {
  if (!cover.isOpen) return;
  /** @type {NodeListOf<HTMLMediaElement>} */
  const playing = page.querySelectorAll("audio, video");
  for (const media of playing) native(media).pause();
  if (page.pictureInPictureElement) page.exitPictureInPicture().catch(() => {});
}

new MutationObserver(pause).observe(cover.element, { attributeFilter: ["open"] });
on(page, "play", pause);
pause();
