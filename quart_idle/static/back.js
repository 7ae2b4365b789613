// Hides a page that comes back until the client covers it: browsers may show it from their HTTP
// cache, and ask nobody. No module, and not `async`: nothing is painted before it has run. (Of a
// tab that is duplicated, restored, or was discarded meanwhile Chromium tells so by this entry
// alone, not by `performance.navigation`.)
if (
  document.readyState === "loading" &&
  // @ts-expect-error: entries of this type have one
  performance.getEntriesByType("navigation")[0].type === "back_forward"
) {
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(":root:not(:has(quart-idle)){opacity:0}");
  document.adoptedStyleSheets.push(sheet);
}
