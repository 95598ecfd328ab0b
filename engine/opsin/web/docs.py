"""/v1/docs: the documentation page, whose files come from this service and from nowhere else."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

from litestar import Controller, Request, Response, get
from litestar.exceptions import NotFoundException
from litestar.params import FromPath

from opsin.web.access import OPEN

_FILES = {
    "swagger-ui.css": "text/css",
    "swagger-ui-bundle.js": "text/javascript",
    "favicon-32x32.png": "image/png",
}
_START = """\
// Swagger UI makes up values for the fields of a form, and sends what is empty: what nobody fills in is left out here.
const withoutValues = (schema) => {
  for (const item of Object.values(schema.paths ?? {}))
    for (const operation of Object.values(item)) {
      const form = operation.requestBody?.content?.["multipart/form-data"]?.schema;
      for (const field of Object.values(form?.properties ?? {}))
        if (field.items?.format !== "binary") {
          delete field.default;
          field.examples = [field.type === "array" ? [] : ""];
        }
    }
  return schema;
};
// It takes a form for edited that nobody touched, and would show it as JSON where somebody chooses to send that instead.
const beginAnew = (next, ui) => (chosen) => {
  next(chosen);
  return ui.oas3Actions.setRequestBodyValue({ value: undefined, pathMethod: chosen.pathMethod });
};
const FormsBeginEmpty = {
  statePlugins: {
    spec: { wrapActions: { updateJsonSpec: (next) => (schema) => next(withoutValues(schema)) } },
    oas3: { wrapActions: { setRequestContentType: beginAnew } },
  },
  wrapComponents: { ParameterIncludeEmpty: () => () => null },
};
window.onload = () => {
  window.ui = SwaggerUIBundle({ url: "openapi.json", dom_id: "#ui", deepLinking: true, plugins: [FormsBeginEmpty] });
};
"""
_PAGE = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Opsin API</title>
<link rel="icon" href="docs/favicon-32x32.png">
<link rel="stylesheet" href="docs/swagger-ui.css">
<div id="ui"></div>
<script src="docs/swagger-ui-bundle.js"></script>
<script src="docs/start.js"></script>
</html>
"""
_POLICY = "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; frame-ancestors 'none'"


@get("/", media_type="text/html", opt=OPEN, include_in_schema=False, sync_to_thread=False)
def start() -> Response[str]:
    """Lead somebody who knows only the name of the service to the page about it."""
    return Response("", media_type="text/html", status_code=307, headers={"Location": "v1/docs"})


class DocsController(Controller):
    """The documentation page."""

    path = "/v1/docs"
    opt = OPEN
    include_in_schema = False

    @get(media_type="text/html", sync_to_thread=False)
    def page(self, request: Request[Any, Any, Any]) -> Response[str]:
        """Return the page; it may load from this service only. What it loads lies beside it, not below a slash."""
        if request.scope["raw_path"].endswith(b"/"):
            return Response("", media_type="text/html", status_code=308, headers={"Location": "../docs"})
        return Response(_PAGE, media_type="text/html", headers={"Content-Security-Policy": _POLICY})

    @get("/{name:str}")
    async def file(self, name: FromPath[str]) -> Response[bytes]:
        """Return a file of Swagger UI.

        :raises NotFoundException: for any other name.
        """
        if name == "start.js":
            return Response(_START.encode(), media_type="text/javascript")
        if name not in _FILES:
            raise NotFoundException
        data = (_folder() / name).read_bytes()
        return Response(data, media_type=_FILES[name], headers={"Cache-Control": "public, max-age=86400"})


def _folder() -> Path:
    """Return where Swagger UI's files are. The package is looked up and not imported: that would load Flask."""
    spec = find_spec("flask_swagger_ui")
    if spec is None or not spec.submodule_search_locations:
        raise NotFoundException
    return Path(spec.submodule_search_locations[0]) / "dist"
