"""One page that holds all it needs: verdict, figures, a treemap by directory and by layer, tables. It loads nothing.

Its policy (CSP) allows one style and one script, by their hashes, and no connection, so that even a name that found its way
around the escaping could do nothing.
"""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

from layerscope.report.encode import json_line
from layerscope.report.verdict.gate_run import GateRun
from layerscope.report.verdict.measures import image_title
from layerscope.report.verdict.page.markup import shown
from layerscope.report.verdict.page.sections import sections
from layerscope.report.verdict.page.treemap import treemap, treemap_fields
from layerscope.wording.instructions import step_text
from layerscope.wording.style import cut_end

_PARTS = Path(__file__).parent / "page"
LONGEST_INSTRUCTION = 200


def html_report(run: GateRun) -> bytes:
    """Write the page. Without its script, or where none may run, the tables still stand."""
    style = (_PARTS / "style.css").read_text("utf-8")
    script = (_PARTS / "script.js").read_text("utf-8")
    policy = (
        f"default-src 'none'; style-src '{_hash(style)}'; script-src '{_hash(script)}'; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )
    page = f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<title>{shown(image_title(run.analysis.image))} · layerscope</title>
<link rel="icon" href="data:,">
<style>{style}</style>
</head>
<body>
{sections(run)}
<script type="application/json" id="image">{_drawn(run)}</script>
<script>{script}</script>
</body>
</html>
"""
    return page.encode()


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _drawn(run: GateRun) -> str:
    analysis = run.analysis
    base = analysis.base_layers or 0
    fields = {
        **treemap_fields(analysis, treemap(analysis)),
        "layers": [
            {
                "instruction": cut_end(step_text(layer.history), LONGEST_INSTRUCTION),
                "is_base": layer.number <= base,
            }
            for layer in analysis.image.layers
        ],
    }
    # A script's content ends at the first `</script`, whatever is around it, and `<!--` changes how it is read.
    return json_line(fields).decode().replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026").strip()
