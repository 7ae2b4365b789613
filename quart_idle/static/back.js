// Hides a page that comes back until the client covers it: browsers may show it from their HTTP
// cache, and ask nobody. No module, and not `async`: nothing is painted before it has run. (By what
// is short for an entry of the type "navigation", "back_forward".)
if (performance.navigation.type === 2 && document.readyState === "loading") {
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(":root:not(:has(quart-idle)){opacity:0}");
  document.adoptedStyleSheets.push(sheet);
}
