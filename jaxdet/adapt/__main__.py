"""`python -m jaxdet.adapt --weights=W --real=DIR --fake=DIR --out=FOLDER`: adapts a detector.

Exit status 0 where the folder was written, 1 where nothing does better or an old generator loses
too much, 2 for a mistake on the command line.
"""

from jaxdet.errors import RunFailedError, UserError, guard, guard_loading

if __name__ == "__main__":
    guard_loading()

import argparse
from collections.abc import Sequence
from pathlib import Path

from jaxdet.adapt.options import get_parser
from jaxdet.config.benchmarks import TFDS
from jaxdet.streams import answer, show
from jaxdet.workdir.drafts import refuse_existing
from jaxdet.workdir.files import check_apart


def main(arguments: Sequence[str] | None = None) -> None:
    """Adapts the detector that the command line names, prints what came of it, and writes it."""
    with guard():
        options = get_parser().parse_args(arguments)
        _check_places(options)
        # Loads JAX, for which a mistake on the command line does not wait.
        from jaxdet.adapt.adapt import adapt
        from jaxdet.adapt.compare import to_text
        from jaxdet.adapt.write import write_adapted

        outcome = adapt(options)
        show(outcome.tried)
        show(to_text(outcome.rows))
        if outcome.refusal:
            raise RunFailedError(f"{options.out}: not written, since {outcome.refusal}")
        write_adapted(options.out, outcome.made)
        made = outcome.made
        answer(f"{options.out}: {made.loaded.model.title}, digest {made.card.digest}")


def _check_places(options: argparse.Namespace) -> None:
    """Raises UserError where the folder may not be written, or half of a pair is missing."""
    refuse_existing(options.out)
    given = [options.real, options.fake, options.test_real, options.test_fake]
    named = options.check and options.check != "none" and not options.check.startswith(TFDS)
    given.append(Path(options.check) if named else None)
    check_apart(options.out, options.weights, *filter(None, given), instead="--out")
    if (options.test_real is None) != (options.test_fake is None):
        raise UserError("--test-real and --test-fake: give both or none")


if __name__ == "__main__":
    main()
