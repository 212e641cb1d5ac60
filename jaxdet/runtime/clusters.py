"""Detects which launcher started this process as one of several, by the environment.

JAX finds the first process of SLURM, Open MPI 4, Kubernetes and Cloud TPU by itself; what is said
here is whether to ask it at all, and which accelerators of a machine are whose.
"""

import dataclasses
import http.client
import importlib.util
import urllib.request
from collections.abc import Mapping

from jaxdet.errors import UserError
from jaxdet.ranges import parse_whole, show_value

Environment = Mapping[str, str]

# "off" keeps a process alone, whatever its launcher announces.
SWITCH = "JAXDET_DISTRIBUTED"
# JAX's name, which it reads whatever the launcher.
_ADDRESS = "JAX_COORDINATOR_ADDRESS"
_VARIABLES = (_ADDRESS, "JAX_NUM_PROCESSES", "JAX_PROCESS_ID")
# Where a Cloud TPU machine asks who else is in its slice; as JAX's cloud_tpu_cluster.py.
_METADATA = "http://{}/computeMetadata/v1/instance/attributes/worker-network-endpoints"
_METADATA_SECONDS = 2.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Cluster:
    """Describes one process among several.

    Attributes:
      name: of the launcher.
      method: JAX's name for the way to find what is None below.
      address: "host:port" of the first process.
      processes: how many there are.
      index: which of them this one is.
      devices: "all" accelerators that it sees, or their numbers as in "2,3"; None: as JAX will.
    """

    name: str
    method: str
    address: str | None = None
    processes: int | None = None
    index: int | None = None
    devices: str | None = None


def find_cluster(environment: Environment) -> Cluster | None:
    """Returns what the launcher announces; None where this process is alone.

    Raises:
      UserError: where it announces several and does not say enough to find them.
    """
    switch = environment.get(SWITCH) or "auto"
    if switch not in ("auto", "off"):
        raise UserError(f"{SWITCH}={switch}: neither auto nor off")
    if switch == "off":
        return None
    for look in (_from_variables, _from_slurm, _from_open_mpi, _from_kubernetes, _from_tpu):
        cluster = look(environment)
        if cluster is not None:
            return None if cluster.processes == 1 else cluster
    return None


def _from_variables(environment: Environment) -> Cluster | None:
    address, processes, index = map(environment.get, _VARIABLES)
    if not processes and not index:
        # The address alone goes with any launcher.
        return None
    missing = [name for name in _VARIABLES if not environment.get(name)]
    if missing and processes != "1":
        raise UserError(f"{' and '.join(missing)}: not set, though other JAX_ variables of it are")
    count, place = _places(environment, *_VARIABLES[1:])
    return Cluster(
        name=_ADDRESS, method="deactivate", address=address, processes=count, index=place
    )


def _from_slurm(environment: Environment) -> Cluster | None:
    # Set for what srun starts; SLURM_NTASKS is in the batch script's environment too.
    if not environment.get("SLURM_STEP_NUM_TASKS"):
        return None
    count, place = _places(environment, "SLURM_STEP_NUM_TASKS", "SLURM_PROCID")
    nodes = _number(environment, "SLURM_STEP_NUM_NODES", least=1)
    devices = _devices(
        environment,
        local=_number(environment, "SLURM_LOCALID"),
        here=-(-count // nodes),
        # The tasks see their own alone.
        bound="SLURM_GPUS_PER_TASK" in environment,
    )
    return Cluster(name="SLURM", method="slurm", processes=count, index=place, devices=devices)


def _from_open_mpi(environment: Environment) -> Cluster | None:
    if not environment.get("OMPI_COMM_WORLD_SIZE"):
        return None
    count, place = _places(environment, "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK")
    address = environment.get(_ADDRESS)
    if count > 1 and not address and "OMPI_MCA_orte_hnp_uri" not in environment:
        raise UserError(
            f"Open MPI 5 does not tell where its first process is: set {_ADDRESS}=HOST:PORT "
            f"(mpirun -x {_ADDRESS} …), or {SWITCH}=off for separate runs"
        )
    devices = _devices(
        environment,
        local=_number(environment, "OMPI_COMM_WORLD_LOCAL_RANK"),
        here=_number(environment, "OMPI_COMM_WORLD_LOCAL_SIZE", least=1),
        bound=False,
    )
    return Cluster(
        name="Open MPI",
        method="deactivate" if address else "ompi",
        address=address,
        processes=count,
        index=place,
        devices=devices,
    )


def _from_kubernetes(environment: Environment) -> Cluster | None:
    """Recognises a pod of an indexed Job, where JAX can ask the cluster for the others."""
    if "KUBERNETES_SERVICE_HOST" not in environment or "JOB_COMPLETION_INDEX" not in environment:
        return None
    if importlib.util.find_spec("kubernetes") is None:
        return None
    return Cluster(name="Kubernetes", method="k8s")


def _from_tpu(environment: Environment) -> Cluster | None:
    """Recognises a machine of a Cloud TPU slice, on GKE or on Compute Engine."""
    platforms = environment.get("JAX_PLATFORMS", "")
    if (platforms and "tpu" not in platforms) or importlib.util.find_spec("libtpu") is None:
        return None
    workers = environment.get("TPU_PROCESS_ADDRESSES") or environment.get("TPU_WORKER_HOSTNAMES")
    if workers is not None and "," in workers:
        return Cluster(name="Cloud TPU (GKE)", method="gketpu")
    if "TPU_SKIP_MDS_QUERY" not in environment and "," in _workers_by_metadata(environment):
        return Cluster(name="Cloud TPU", method="gcetpu")
    return None


def _workers_by_metadata(environment: Environment) -> str:
    """Returns the machines of the slice, with commas; "" where nobody answers."""
    host = environment.get("GCE_METADATA_IP") or "metadata.google.internal"
    request = urllib.request.Request(_METADATA.format(host), headers={"Metadata-Flavor": "Google"})
    # The server is on the machine's own network: no proxy knows it.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=_METADATA_SECONDS) as answer:
            return str(answer.read().decode())
    except (OSError, UnicodeDecodeError, http.client.HTTPException):
        return ""


def _devices(environment: Environment, *, local: int, here: int, bound: bool) -> str:
    """Returns the accelerators of one of the `here` processes on a machine: an equal share each.

    JAX gives each process of SLURM and Open MPI one, also where it has the machine to itself.
    """
    if bound or here == 1:
        return "all"
    seen = environment.get("CUDA_VISIBLE_DEVICES")
    if seen is not None:
        count = len([device for device in seen.split(",") if device])
    else:
        count = _number(environment, "SLURM_GPUS_ON_NODE", default="0")
    if count == 1:
        return "all"
    share = max(1, count // here)
    return ",".join(str(local * share + i) for i in range(share))


def _places(environment: Environment, processes: str, index: str) -> tuple[int, int]:
    """Returns how many processes there are and which this is.

    Raises:
      UserError: naming the variable that cannot be.
    """
    count = _number(environment, processes, least=1)
    place = _number(environment, index, default="0" if count == 1 else None)
    if place >= count:
        raise UserError(f"{index}={place}: there are {count} processes ({processes})")
    return count, place


def _number(
    environment: Environment, name: str, *, least: int = 0, default: str | None = None
) -> int:
    text = environment.get(name, default)
    value = None if text is None else parse_whole(text, f"[{least}, 1e9]")
    if value is None:
        given = "not set" if text is None else f"{show_value(text)} is no whole number from {least}"
        raise UserError(f"{name}: {given}")
    return value
