"""The main command with options out of their ranges, for what no option within them brings about.

python -m tests.e2e.unchecked --config=FILE ...
"""

import sys

from jaxdet.config import validate as validation
from jaxdet.main import main

if __name__ == "__main__":
    sys.modules[validation.__module__]._value_problems = lambda config: iter(())
    main(sys.argv)
