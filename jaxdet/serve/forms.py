"""States what the service takes and gives, as its OpenAPI document has it."""

from typing import Any

from pydantic import BaseModel, Field

from jaxdet.predict.judgement import Verdict


class Evidence(BaseModel):
    """Shows where in the image the logit comes from."""

    png: str = Field(description="base64 of a PNG: red speaks for fake, blue for real")
    box: list[float] = Field(description="left, top, width, height in the image, pixels")


class Result(BaseModel):
    """Holds what is said of one image; with `error` nothing else but its name."""

    name: str
    error: str | None = None
    logit: float | None = Field(None, description="above 0 for fake")
    probability: float | None = Field(None, description="of being fake")
    calibrated: bool | None = Field(None, description="whether validation images set its scale")
    prediction: str | None = Field(None, description="fake or real, by the threshold")
    verdict: Verdict | None = None
    warnings: list[str] | None = Field(None, description="how it is unlike validation images")
    provenance: list[str] | None = Field(None, description="what the file says of its origin")
    width: int | None = Field(None, description="of the image, pixels")
    height: int | None = Field(None, description="of the image, pixels")
    sha256: str | None = Field(None, description="of the file's bytes")
    digest: str | None = Field(None, description="of the weights")
    part: str | None = Field(None, description="what of the image was scored")
    error_rate: float | None = Field(None, description="percent of validation images at most")
    band: list[float] | None = Field(None, description="probabilities between which it is unsure")
    evidence: Evidence | None = None


class ModelFacts(BaseModel):
    """Names the detector of an answer."""

    name: str
    digest: str = Field(description="16 hex digits over all weights")
    threshold: float | str
    verdicts: str = Field(description="how verdicts follow from probabilities")
    part: str = Field(description="what of an image is scored")
    error_rate: float | None = Field(description="percent of validation images whose verdict errs")
    trained_on: str = Field(description="how many images of what")
    tested_on: str = Field(description="AP of the hardest and the easiest test set")


class Answers(BaseModel):
    """Holds the results of a request, in the order of its images."""

    results: list[Result]
    model: ModelFacts


class Accepted(BaseModel):
    """Bounds a request."""

    images: int = Field(description="of a request")
    request_bytes: int = Field(description="of a request's body")
    pixels: int = Field(description="of an image")


class ModelCard(ModelFacts):
    """Describes the detector, what it was trained on, and what was measured of it."""

    version: str = Field(description="of jaxdet")
    temperature: float | None
    band: list[float] | None = Field(description="logits between which it is unsure")
    thresholds: dict[str, float | None]
    ranges: dict[str, list[float]] = Field(description="of the validation images")
    training: dict[str, Any]
    measured: dict[str, dict[str, Any]] = Field(description="AP and more of each test set")
    limits: list[str] = Field(description="what it must not be trusted with")
    evidence: bool = Field(description="whether it shows where the logit comes from")
    accepts: Accepted


class Problem(BaseModel):
    """Explains why there is no answer."""

    detail: str


_FILES = {
    "type": "object",
    "additionalProperties": False,
    "required": ["images"],
    "properties": {
        "images": {
            "type": "array",
            "minItems": 1,
            "items": {"type": "string", "format": "binary"},
        },
    },
}
_JSON = {
    "type": "object",
    "required": ["images"],
    "properties": {
        "images": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "required": ["base64"],
                "properties": {
                    "name": {"type": "string"},
                    "base64": {"type": "string", "format": "byte"},
                },
            },
        },
    },
}
# The body of a request that scores, for the OpenAPI document.
BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {"schema": _FILES},
            "application/json": {"schema": _JSON},
        },
    }
}
