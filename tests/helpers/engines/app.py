"""The pages that are opened in engines: those of `page_app`, and one with a strict policy.

Settings come from the environment, as JSON in ``QUART_IDLE_TEST``.
"""

from __future__ import annotations

from typing import Any

from quart import Response, jsonify, render_template_string, request

from tests.helpers.app import idle, session
from tests.helpers.page_app import app

__all__ = ["app"]

STRICT = """<!doctype html>
<html lang="en"><head><title>Strict</title>{{ quart_idle(nonce="abc") }}</head>
<body><h1>Signed in as {{ session.user_id }}</h1></body></html>
"""

WATCHED = """<!doctype html>
<html lang="en"><head><title>Watched</title>
<script>
  // In how many frames, after the way back, the page of a user could be seen.
  window.seen = 0;
  window.isKept = false;
  window.filled = 0; // and in how many there was something in its field
  {% if "unload" in request.args %}addEventListener("unload", () => {});{% endif %}
  let isBack = performance.getEntriesByType("navigation")[0].type === "back_forward";
  addEventListener("pageshow", ({ persisted }) => {
    isBack ||= persisted;
    isKept = persisted;
  });
  const look = () => {
    const isCovered = document.querySelector("quart-idle")?.shadowRoot.querySelector("[open]");
    const heading = document.querySelector("h1");
    const isShown = heading?.checkVisibility({ visibilityProperty: true, opacityProperty: true });
    if (isBack && isShown && !isCovered && !heading.textContent.endsWith("None")) ++seen;
    if (isShown && !isCovered && document.querySelector("input")?.value) ++filled;
    requestAnimationFrame(look);
  };
  look();
</script>
{{ quart_idle() }}</head><body><h1>Signed in as {{ session.user_id }}</h1>
<label>Search <input name="search"></label></body></html>
"""

reports: list[Any] = []


@app.get("/strict")
async def strict() -> Response:
    """A page whose policy is enforced, and what breaks it reported."""
    response = Response(await render_template_string(STRICT), mimetype="text/html")
    response.headers["Content-Security-Policy"] = (
        "default-src 'self'; script-src 'nonce-abc'; style-src 'self'; base-uri 'none'; "
        "require-trusted-types-for 'script'; trusted-types 'none'; report-uri /reports"
    )
    return response


@app.post("/hurry")
async def hurry() -> str:
    """From now on the session lives for so many seconds."""
    session.timeout = float(request.args["seconds"])
    return ""


@app.get("/watched")
async def watched() -> Response:
    """A page that notes whether it is seen when it comes back, from the browser's caches.

    With ``?requests`` it may have no socket. With ``?unload`` it is kept as text only.
    """
    response = Response(await render_template_string(WATCHED), mimetype="text/html")
    response.headers["Cache-Control"] = "private, max-age=60"
    if "requests" in request.args:
        policy = f"connect-src {request.host_url}_idle/; report-uri /reports"
        response.headers["Content-Security-Policy"] = policy
    return response


@app.route("/reports", methods=["GET", "POST"])
@idle.passive
async def told() -> Any:
    """What browsers have reported."""
    if request.method == "POST":
        reports.append(await request.get_json(force=True))
    return jsonify(reports)
