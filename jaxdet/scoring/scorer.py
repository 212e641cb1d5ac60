"""Turns pieces into logits: one compiled program for each shape of their batches."""

from collections.abc import Iterable, Iterator

from jax.sharding import Mesh

from jaxdet.models.detector import Detector, Variables
from jaxdet.runtime.mesh import own_mesh, own_replicas, platform
from jaxdet.scoring.batches import PieceBatch, Shapes, batch_pixels, batches
from jaxdet.scoring.launch import make_score_step, score_batches
from jaxdet.scoring.pieces import Piece

# Lone images of about one size after which compiling a shape that fits them closely pays.
_OFTEN = 1000


class Scorer:
    """Maps pieces of any size to logits, on this process's devices.

    Attributes:
      variables: replicated over these.
      find: gives the shape of a whole image's array; None where all have one.
      shapes: of the batches so far, each compiled once.
      lengths: of short batches of crops, each compiled where it comes first.
    """

    def __init__(
        self,
        detector: Detector,
        variables: Variables,
        mesh: Mesh,
        *,
        lone: bool = False,
        memory: int | None = None,
    ):
        """Takes a detector on a mesh, of which this process's devices are used.

        Args:
          detector: the network.
          variables: replicated over the mesh.
          mesh: devices.
          lone: whether images may come one at a time, so that nobody waits for more compilations
            or longer batches than these need; otherwise thousands repay them.
          memory: bytes of a device, by which batches of crops are as long as it can hold.
        """
        self._mesh, self._lone, self._memory = own_mesh(mesh), lone, memory
        self._step = make_score_step(detector, self._mesh)
        self.variables = own_replicas(mesh, variables)
        # None for a network that does not take any size: it gets crops of one side, and no sizes.
        any_size = detector.architecture.any_size
        self.find = Shapes(often=_OFTEN if lone else 0) if any_size else None
        self.shapes: set[tuple[int, ...]] = set()
        self.lengths: tuple[int, ...] = ()

    def __call__(
        self, pieces: Iterable[Piece], *, in_crops: bool
    ) -> Iterator[list[tuple[Piece, float]]]:
        """Yields batches as they fill up: pieces, each with its logit.

        Args:
          pieces: of any images.
          in_crops: whether all of them are squares of one side.
        """
        kind = platform(self._mesh)
        # Lone whole images have one program a shape: of one place on a CPU, else of a full batch.
        is_alone = self._lone and not in_crops and kind == "cpu"
        filled = batches(
            pieces,
            pixels=0 if is_alone else batch_pixels(kind, self._memory if in_crops else None),
            find=None if in_crops else self.find,
            devices=self._mesh.size,
            full=not (self._lone and in_crops),
            lengths=self.lengths,
            sizes=self.find is not None,
        )
        noted = map(self._noted, filled)
        for scored, results in score_batches(self._step, self.variables, noted, mesh=self._mesh):
            logits = results["logit"][: len(scored)].tolist()
            yield list(zip(scored, logits, strict=True))

    def _noted(self, batch: PieceBatch) -> PieceBatch:
        self.shapes.add(batch[1]["image"].shape)
        return batch
