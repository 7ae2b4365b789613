// The sign-in page, in a small window beside the page.

/** @param {string} url @returns the window, if the browser lets there be one */
export function openSignIn(url) {
  try {
    const popup = open(url, "quart-idle", "width=480,height=640");
    if (popup?.closed === false) return popup;
  } catch {}
  return null;
}
