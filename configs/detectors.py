"""Every detector by one recipe on one folder.

Command:  python -m jaxdet.main --config=configs/detectors.py --config.data.root=DIR --workdir=RUNS
          --list shows the rows, --row=N|NAME runs one; :tiny takes minutes each on two cores
Source:   nearly the recipe of configs/small.py; the detectors' sources are in
          docs/reference/systems.md
Expected: see docs/evidence/systems.md
"""

from jaxdet.experiments import Table, detectors, sized


def get_table(arg: str = "") -> Table:
    table = Table(
        title="Every detector by one recipe",
        source="nearly the recipe of configs/small.py",
        rows=detectors.all_detectors(),
    )
    return detectors.themselves(sized(table, arg))
