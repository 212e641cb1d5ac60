"""A hub on localhost: those addresses of Hugging Face that its client needs to push and pull."""

import base64
import hashlib
import http.server
import json
import re
import threading
import urllib.parse

import yaml


class Hub:
    """Keeps repositories as lists of commits, (digest, {name: bytes}); `read` lists files sent.

    `private` has the names of closed repositories, `branches` digests by the names of branches;
    `meanwhile` is called before a file is sent.
    """

    def __init__(self):
        self.repos, self.objects, self.read = {}, {}, []
        self.private, self.branches = set(), {}
        self.meanwhile = lambda: None
        self._http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._http.daemon_threads = True
        run = {"poll_interval": 0.01}
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs=run, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._http.shutdown()
        self._http.server_close()

    @property
    def url(self):
        return f"http://127.0.0.1:{self._http.server_port}"

    def commit(self, repo, files):
        commits = self.repos.setdefault(repo, [])
        whole = {**(commits[-1][1] if commits else {}), **files}
        content = b"".join(name.encode() + whole[name] for name in sorted(whole))
        commits.append((hashlib.sha1(content + bytes([len(commits)])).hexdigest(), whole))
        return commits[-1][0]

    def state(self, repo, revision):
        commits = self.repos.get(repo, ())
        revision = urllib.parse.unquote(revision)
        digest = self.branches.get(revision, revision)
        found = [one for one in commits if digest in ("main", one[0])]
        return found[-1] if found else (None, {})

    def _handler(hub):  # noqa: N805 - the handler's own self is another one
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                hub.answer(self)

            do_HEAD = do_POST = do_PUT = do_GET  # noqa: N815 - http.server's names

            def log_message(self, *_):
                pass

        return Handler

    def answer(self, request):
        body = b"".join(self._chunks(request))
        path = request.path.partition("?")[0]
        for pattern, answer in self._ANSWERS.items():
            found = re.fullmatch(pattern, path)
            if found:
                return answer(self, request, body, *found.groups())
        return self._send(request, 404, {"error": f"no {path}"})

    def _chunks(self, request):
        if request.headers.get("Transfer-Encoding") != "chunked":
            yield request.rfile.read(int(request.headers.get("Content-Length", 0)))
            return
        while length := int(request.rfile.readline(), 16):
            yield request.rfile.read(length + 2)[:-2]
        request.rfile.readline()

    def _send(self, request, status, content, headers=()):
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        request.send_response(status)
        for name, value in {"Content-Length": len(body), **dict(headers)}.items():
            request.send_header(name, str(value))
        request.end_headers()
        if request.command != "HEAD":
            request.wfile.write(body)

    def _create(self, request, body):
        asked = json.loads(body)
        repo = f"{asked['organization']}/{asked['name']}"
        status = 409 if repo in self.repos else 200
        if status == 200:
            # Version 1 of the client says it in the first way, version 2 in the second.
            if asked.get("private") or asked.get("visibility") == "private":
                self.private.add(repo)
            self.commit(repo, {".gitattributes": b"*.safetensors filter=lfs\n"})
        self._send(request, status, {"url": f"{self.url}/{repo}", "name": repo})

    def _check_card(self, request, body):
        head = json.loads(body)["content"].split("---\n")[1]
        errors = [] if isinstance(yaml.safe_load(head), dict) else [{"message": "no mapping"}]
        self._send(request, 400 if errors else 200, {"errors": errors, "warnings": []})

    def _info(self, request, body, repo, revision="main"):
        oid, files = self.state(repo, revision)
        if oid is None:
            return self._send(request, 404, {}, {"X-Error-Code": "RepoNotFound"})
        siblings = [{"rfilename": name} for name in files]
        about = {"id": repo, "sha": oid, "siblings": siblings, "private": repo in self.private}
        return self._send(request, 200, about)

    def _preupload(self, request, body, repo, revision):
        names = [one["path"] for one in json.loads(body)["files"]]
        modes = {name: "lfs" if name.endswith(".safetensors") else "regular" for name in names}
        files = [{"path": n, "uploadMode": m, "shouldIgnore": False} for n, m in modes.items()]
        self._send(request, 200, {"files": files})

    def _batch(self, request, body, repo):
        objects = [
            {**one, "actions": {"upload": {"href": f"{self.url}/objects/{one['oid']}"}}}
            for one in json.loads(body)["objects"]
        ]
        self._send(request, 200, {"transfer": "basic", "objects": objects})

    def _object(self, request, body, oid):
        self.objects[oid] = body
        self._send(request, 200, b"")

    def _commit(self, request, body, repo, revision):
        lines = [json.loads(line) for line in body.splitlines()]
        parent, files = None, {}
        for line in lines:
            value = line["value"]
            if line["key"] == "header":
                parent = value.get("parentCommit")
            elif line["key"] == "lfsFile":
                files[value["path"]] = self.objects[value["oid"]]
            else:
                files[value["path"]] = base64.b64decode(value["content"])
        if parent not in (None, self.state(repo, "main")[0]):
            return self._send(request, 412, {"error": "somebody was here meanwhile"})
        oid = self.commit(repo, files)
        url = f"{self.url}/{repo}/commit/{oid}"
        return self._send(request, 200, {"success": True, "commitUrl": url, "commitOid": oid})

    def _file(self, request, body, repo, revision, name):
        oid, files = self.state(repo, revision)
        if name not in files:
            return self._send(request, 404, {}, {"X-Error-Code": "EntryNotFound"})
        self.read.append(name)
        self.meanwhile()
        etag = f'"{hashlib.sha256(files[name]).hexdigest()}"'
        return self._send(request, 200, files[name], {"X-Repo-Commit": oid, "ETag": etag})

    _REPO = r"([\w.-]+/[\w.-]+)"
    _ANSWERS = {  # noqa: RUF012 - no instance changes it
        "/api/repos/create": _create,
        "/api/validate-yaml": _check_card,
        f"/api/models/{_REPO}": _info,
        f"/api/models/{_REPO}/revision/([^/]+)": _info,
        f"/api/models/{_REPO}/preupload/([^/]+)": _preupload,
        f"/api/models/{_REPO}/commit/([^/]+)": _commit,
        rf"/{_REPO}\.git/info/lfs/objects/batch": _batch,
        "/objects/([0-9a-f]+)": _object,
        f"/{_REPO}/resolve/([^/]+)/(.+)": _file,
    }
