// The sign-in page: in a small window beside the page, or in its place.

/** @param {string} url @returns the window, if the browser lets there be one */
export function openSignIn(url) {
  try {
    const popup = open(url, "quart-idle", "width=480,height=640");
    if (popup?.closed === false) return popup;
  } catch {}
  return null;
}

/**
 * Leaves the page, where the browser allows no window. The sign-in page is told where to come back
 * to, as the server tells it; of another origin it has no use for that.
 * @param {string} url
 */
export function goToSignIn(url) {
  const { origin, pathname, search } = location;
  const there = new URL(url, location.href);
  if (there.origin === origin) {
    // Two slashes would begin another host's address.
    const next = encodeURIComponent(pathname.replace(/^\/+/, "/") + search);
    there.search += (there.search && "&") + "next=" + next;
  }
  location.assign(there);
}
