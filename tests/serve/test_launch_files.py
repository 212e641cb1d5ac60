"""The files that start the service in containers name options and addresses that there are."""

from pathlib import Path

import yaml

from jaxdet.serve.__main__ import get_parser

LAUNCH = Path(__file__).parents[2] / "launch"


def test_compose_starts_the_service_and_asks_whether_it_is_ready():
    service = yaml.safe_load((LAUNCH / "serve.compose.yaml").read_text())["services"]["jaxdet"]
    options = get_parser().parse_args(service["entrypoint"][3:])
    assert (options.host, options.port) == ("0.0.0.0", 8000)
    assert service["ports"] == [f"127.0.0.1:{options.port}:{options.port}"]
    mount = service["volumes"][0].rpartition("}:")[2]
    assert mount == f"{options.weights}:ro"
    assert ":8000/ready" in service["healthcheck"]["test"][-1]


def test_kubernetes_gives_time_for_all_that_was_accepted():
    deployment, service = yaml.safe_load_all((LAUNCH / "serve.kubernetes.yaml").read_text())
    pod = deployment["spec"]["template"]["spec"]
    container = pod["containers"][0]
    options = get_parser().parse_args(container["command"][3:])
    assert container["readinessProbe"]["httpGet"] == {"path": "/ready", "port": options.port}
    assert service["spec"]["ports"][0]["targetPort"] == options.port
    longest = options.body_seconds + options.request_seconds + 5
    assert pod["terminationGracePeriodSeconds"] > longest
    assert str(options.weights) == container["volumeMounts"][0]["mountPath"]
