"""Which environments announce several processes, and which of them a process is."""

import http.server
import threading

import pytest

from jaxdet.errors import UserError
from jaxdet.runtime.clusters import Cluster, find_cluster

SLURM = {
    "SLURM_JOB_ID": "7",
    "SLURM_STEP_NUM_TASKS": "4",
    "SLURM_STEP_NUM_NODES": "2",
    "SLURM_STEP_NODELIST": "n[1-2]",
    "SLURM_PROCID": "3",
    "SLURM_LOCALID": "1",
}
MPI = {
    "OMPI_COMM_WORLD_SIZE": "2",
    "OMPI_COMM_WORLD_RANK": "1",
    "OMPI_COMM_WORLD_LOCAL_RANK": "1",
    "OMPI_COMM_WORLD_LOCAL_SIZE": "2",
}
JAX = {"JAX_COORDINATOR_ADDRESS": "a:1", "JAX_NUM_PROCESSES": "2", "JAX_PROCESS_ID": "1"}
POD = {"KUBERNETES_SERVICE_HOST": "10.0.0.1"}


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"JAX_COORDINATOR_ADDRESS": "a:1"},
        {**JAX, "JAX_NUM_PROCESSES": "1", "JAX_PROCESS_ID": "0"},
        {"JAX_NUM_PROCESSES": "1"},
        # The batch script of a job of several tasks is not one of them.
        {"SLURM_JOB_ID": "7", "SLURM_NTASKS": "4", "SLURM_PROCID": "0", "SLURM_LOCALID": "0"},
        {**SLURM, "SLURM_STEP_NUM_TASKS": "1", "SLURM_STEP_NUM_NODES": "1", "SLURM_PROCID": "0"},
        {**MPI, "OMPI_COMM_WORLD_SIZE": "1", "OMPI_COMM_WORLD_RANK": "0"},
        # Any pod, such as a notebook's.
        POD,
        {**SLURM, "JAXDET_DISTRIBUTED": "off"},
    ],
)
def test_alone(environment):
    assert find_cluster(environment) is None


def test_variables_of_jax_come_first():
    expected = Cluster(
        name="JAX_COORDINATOR_ADDRESS", method="deactivate", address="a:1", processes=2, index=1
    )
    assert find_cluster(JAX) == expected
    assert find_cluster({**SLURM, **JAX}) == expected


@pytest.mark.parametrize(
    ("more", "devices"),
    [
        # One process a node has them all, several share them, bound ones see their own alone.
        ({"SLURM_STEP_NUM_TASKS": "2", "SLURM_PROCID": "1", "SLURM_LOCALID": "0"}, "all"),
        ({"CUDA_VISIBLE_DEVICES": "4,5"}, "1"),
        ({"CUDA_VISIBLE_DEVICES": "0,1,2,3"}, "2,3"),
        ({"SLURM_GPUS_ON_NODE": "4"}, "2,3"),
        ({"CUDA_VISIBLE_DEVICES": "6", "SLURM_GPUS_ON_NODE": "2"}, "all"),
        ({"CUDA_VISIBLE_DEVICES": "0,1", "SLURM_GPUS_PER_TASK": "2"}, "all"),
        ({}, "1"),
    ],
)
def test_slurm_and_whose_gpus_are_whose(more, devices):
    found = find_cluster({**SLURM, **more})
    assert (found.name, found.method, found.address) == ("SLURM", "slurm", None)
    environment = {**SLURM, **more}
    assert found.processes == int(environment["SLURM_STEP_NUM_TASKS"])
    assert found.index == int(environment["SLURM_PROCID"])
    assert found.devices == devices


def test_open_mpi_4_and_5():
    four = find_cluster({**MPI, "OMPI_MCA_orte_hnp_uri": "1.0;tcp://10.0.0.1:5"})
    assert (four.method, four.processes, four.index, four.devices) == ("ompi", 2, 1, "1")
    five = find_cluster({**MPI, "JAX_COORDINATOR_ADDRESS": "a:1"})
    assert (five.method, five.address) == ("deactivate", "a:1")
    with pytest.raises(UserError, match="set JAX_COORDINATOR_ADDRESS=HOST:PORT"):
        find_cluster(MPI)


def test_pods_of_an_indexed_job(tmp_path, monkeypatch):
    job = {**POD, "JOB_COMPLETION_INDEX": "0"}
    assert find_cluster(job) is None  # jax[k8s] is not installed
    install(tmp_path, monkeypatch, "kubernetes")
    assert find_cluster(job).method == "k8s"


def test_tpus(tmp_path, monkeypatch, metadata):
    gke = {"TPU_WORKER_HOSTNAMES": "t-0,t-1", "TPU_WORKER_ID": "1", "TPU_SKIP_MDS_QUERY": "1"}
    assert find_cluster(gke) is None  # without libtpu there is no TPU
    install(tmp_path, monkeypatch, "libtpu")
    assert find_cluster(gke).method == "gketpu"
    assert find_cluster({**gke, "TPU_WORKER_HOSTNAMES": "localhost"}) is None
    assert find_cluster({**gke, "JAX_PLATFORMS": "cpu"}) is None
    compute_engine = {"GCE_METADATA_IP": metadata(b"a:b:10.0.0.1,c:d:10.0.0.2")}
    assert find_cluster(compute_engine).method == "gcetpu"
    assert find_cluster({"GCE_METADATA_IP": metadata(b"a:b:10.0.0.1")}) is None
    assert find_cluster({"GCE_METADATA_IP": "127.0.0.1:1"}) is None


def install(folder, monkeypatch, package):
    """A package of this name, with nothing in it."""
    (folder / package).mkdir()
    (folder / package / "__init__.py").touch()
    monkeypatch.syspath_prepend(folder)


@pytest.fixture
def metadata():
    """Starts a server that answers as the metadata server of Compute Engine; gives its address."""
    servers = []

    def start(workers):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                known = self.path.endswith("/worker-network-endpoints")
                known = known and self.headers["Metadata-Flavor"] == "Google"
                self.send_response(200 if known else 404)
                self.end_headers()
                self.wfile.write(workers if known else b",")

            def log_message(self, *_):
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        servers.append(server)
        return f"127.0.0.1:{server.server_port}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(
    ("environment", "says"),
    [
        ({**JAX, "JAX_PROCESS_ID": ""}, "JAX_PROCESS_ID: not set"),
        ({"JAX_NUM_PROCESSES": "2"}, "JAX_COORDINATOR_ADDRESS and JAX_PROCESS_ID: not set"),
        ({**JAX, "JAX_PROCESS_ID": "2"}, "JAX_PROCESS_ID=2: there are 2 processes"),
        ({**JAX, "JAX_NUM_PROCESSES": "two"}, "JAX_NUM_PROCESSES: 'two' is no whole number from 1"),
        ({**JAX, "JAX_PROCESS_ID": "-1"}, "JAX_PROCESS_ID: '-1' is no whole number from 0"),
        ({"SLURM_STEP_NUM_TASKS": "2"}, "SLURM_PROCID: not set"),
        ({"JAXDET_DISTRIBUTED": "no"}, "JAXDET_DISTRIBUTED=no: neither auto nor off"),
    ],
)
def test_mistakes(environment, says):
    with pytest.raises(UserError, match=says):
        find_cluster(environment)
