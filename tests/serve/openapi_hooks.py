"""Gives schemathesis real images where the service's document says a file or base64 of one.

python -m jaxdet.serve --weights=W &
SCHEMATHESIS_HOOKS=tests.serve.openapi_hooks schemathesis run http://127.0.0.1:8000/openapi.json
"""

import base64
import io

import schemathesis
from hypothesis import strategies
from PIL import Image


def _png(side: int) -> bytes:
    file = io.BytesIO()
    Image.effect_noise((side, 40), 50).save(file, "png")
    return file.getvalue()


_IMAGES = strategies.integers(1, 300).map(_png)
schemathesis.openapi.format("binary", _IMAGES)
schemathesis.openapi.format("byte", _IMAGES.map(lambda content: base64.b64encode(content).decode()))
