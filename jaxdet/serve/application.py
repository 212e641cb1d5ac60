"""Defines the HTTP application: endpoints, keys, headers, request ids, logs."""

import asyncio
import contextlib
import hmac
import json
import re
import time
import traceback
import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import prometheus_client
from fastapi import FastAPI, Request
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import FileResponse, JSONResponse, PlainTextResponse, Response

import jaxdet
from jaxdet.progress import say
from jaxdet.serve.bodies import Bodies, read_uploads, unless_gone
from jaxdet.serve.facts import all_facts, short_facts
from jaxdet.serve.forms import BODY, Accepted, Answers, ModelCard, ModelFacts, Problem
from jaxdet.serve.limits import RefusedError
from jaxdet.serve.measures import Measures
from jaxdet.serve.scoring import Service
from jaxdet.streams import printable

_PAGE = Path(__file__).parent / "page"
_FRAMES, _LONGEST = 8, 500  # of a fault in the log: its places, and letters of its text
_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
# Nothing is loaded from elsewhere, nothing runs that is not ours, and no other page shows this one.
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' blob: data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_REFUSALS = (400, 401, 408, 413, 415, 503, 504)
_PROBLEMS: dict[int | str, dict[str, Any]] = {one: {"model": Problem} for one in _REFUSALS}


def make_application(
    service: Service, measures: Measures, *, key: str | None = None, origins: tuple[str, ...] = ()
) -> FastAPI:
    """Returns the application.

    Args:
      service: what answers.
      measures: what is counted.
      key: what clients of `/v1/` must show; None: nobody needs one.
      origins: of pages elsewhere whose scripts may ask.
    """
    app = FastAPI(
        title="jaxdet", version=jaxdet.__version__, docs_url=None, redoc_url=None,
        redirect_slashes=False, description="Tells how likely each image is generated.",
    )  # fmt: skip
    app.state.ready = False
    _add_endpoints(app, service, measures)
    _add_score(app, service, measures)
    for file in _PAGE.iterdir():
        address = "/" if file.name == "index.html" else f"/{file.name}"
        app.get(address, include_in_schema=False)(_giving(file))
    app.middleware("http")(_around(measures, key))
    if origins:
        # Outermost: a preflight shows no key, and a refusal is to be read, too.
        app.add_middleware(
            CORSMiddleware, allow_origins=origins, allow_methods=["GET", "POST"],
            allow_headers=["Authorization", "Content-Type"],
        )  # fmt: skip
    return app


def _add_endpoints(app: FastAPI, service: Service, measures: Measures) -> None:
    unfit: dict[int | str, dict[str, Any]] = {503: {"content": {"text/plain": {}}}}

    @app.get("/health", response_class=PlainTextResponse, responses=unfit)
    async def health() -> Response:
        """Answers 200 while the process lives and its scoring does not hang."""
        if service.batcher.hangs:
            return PlainTextResponse("scoring hangs: start the service again\n", 503)
        return PlainTextResponse("ok\n")

    @app.get("/ready", response_class=PlainTextResponse, responses=unfit)
    async def ready() -> Response:
        """Answers 200 once images are scored without waiting for a compilation."""
        if app.state.ready and not service.batcher.hangs:
            return PlainTextResponse("ready\n")
        return PlainTextResponse("warming up, or ending\n", 503)

    @app.get("/metrics", response_class=PlainTextResponse)
    async def metrics() -> Response:
        """Gives what Prometheus collects."""
        measures.waiting.set(service.batcher.held)
        shown = prometheus_client.generate_latest(measures.registry)
        return Response(shown, media_type="text/plain; version=0.0.4; charset=utf-8")

    @app.get("/v1/model", responses={401: {"model": Problem}})
    async def model() -> ModelCard:
        """Describes the detector."""
        limits = service.limits
        accepts = Accepted(
            images=limits.images, request_bytes=limits.request_bytes, pixels=limits.pixels
        )
        return ModelCard(**all_facts(service.detector, service.scoring), accepts=accepts)


def _add_score(app: FastAPI, service: Service, measures: Measures) -> None:
    bodies, limits = Bodies(service.limits), service.limits

    @app.post(
        "/v1/score",
        openapi_extra=BODY,
        response_model=Answers,
        responses={**_PROBLEMS, 422: {"description": "No image could be read"}},
    )
    async def score(request: Request, evidence: bool = False) -> Response:
        """Scores images: files as the form's field `images`, or base64 in JSON."""
        start = time.perf_counter()
        body = await bodies.read(request)
        held = len(body)
        try:
            async with asyncio.timeout(limits.request_seconds):
                uploads = await read_uploads(request, body, limits)
                work = service.answer(uploads, evidence=evidence)
                results = await unless_gone(request, work)
        except TimeoutError:
            raise RefusedError(504, f"not scored within {limits.request_seconds:g} s") from None
        finally:
            bodies.release(held)
            measures.seconds.observe(time.perf_counter() - start)
        for one in results:
            measures.images.labels(one.get("verdict", "error")).inc()
        request.state.images = len(results)
        answers = Answers.model_validate({"results": results, "model": _facts(service)})
        status = 422 if all("error" in one for one in results) else 200
        # As it is: FastAPI would check what was made here once more.
        return Response(
            answers.model_dump_json(exclude_none=True), status, media_type="application/json"
        )


def _giving(file: Path) -> Callable[[], FileResponse]:
    def give() -> FileResponse:
        return FileResponse(file)

    return give


def _around(
    measures: Measures, key: str | None
) -> Callable[[Request, Callable[[Request], Awaitable[Response]]], Awaitable[Response]]:
    """Returns what stands around each request: its id, its key, its headers and its log line."""

    async def middleware(
        request: Request, call: Callable[[Request], Awaitable[Response]]
    ) -> Response:
        start = time.perf_counter()
        given = request.headers.get("x-request-id", "")
        name = given if _ID.fullmatch(given) else uuid.uuid4().hex
        request.state.images, request.state.fault = 0, {}
        try:
            if key is not None and request.scope["path"].startswith("/v1/"):
                _check_key(request, key)
            response = await call(request)
        except RefusedError as error:
            response = JSONResponse({"detail": error.detail}, error.status)
            if error.status == 503:
                response.headers["Retry-After"] = "1"
            if error.status == 401:
                response.headers["WWW-Authenticate"] = "Bearer"
        except Exception as error:  # a fault of ours harms this request alone
            request.state.fault = traced(error)
            response = JSONResponse({"detail": f"a fault of the service; id {name}"}, 500)
        response.headers.update({**_HEADERS, "X-Request-ID": name})
        path = getattr(request.scope.get("route"), "path", "") or "none"
        measures.requests.labels(path, response.status_code).inc()
        _log(request, response, name, time.perf_counter() - start)
        return response

    return middleware


def _check_key(request: Request, key: str) -> None:
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not hmac.compare_digest(given.encode(), key.encode()):
        raise RefusedError(401, "a key is needed: send it as `Authorization: Bearer KEY`")


def _log(request: Request, response: Response, name: str, seconds: float) -> None:
    if request.scope["path"] in ("/health", "/ready", "/metrics") and not request.state.fault:
        return
    line = {
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "id": name,
        "method": request.method, "path": request.scope["path"][:200],
        "status": response.status_code, "images": request.state.images,
        "ms": round(1000 * seconds, 1), **request.state.fault,
    }  # fmt: skip
    _say(json.dumps(line))


def traced(error: BaseException) -> dict[str, Any]:
    """Returns what a log says of a fault of ours: its kind, its text and where it was raised."""
    frames = traceback.extract_tb(error.__traceback__)[-_FRAMES:]
    places = [f"{Path(one.filename).name}:{one.lineno} {one.name}" for one in frames]
    text = printable(str(error))[:_LONGEST]
    return {"error": type(error).__name__, "message": text, "places": places}


def _say(line: str) -> None:
    """Logs a line; an answer does not depend on whether anybody reads it."""
    with contextlib.suppress(OSError):
        say(line)


def _facts(service: Service) -> ModelFacts:
    return ModelFacts(**short_facts(service.detector, service.scoring))
