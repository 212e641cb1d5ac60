"""The site of the documentation: `make docs` builds it from the Markdown beside this file."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import jaxdet

project = "jaxdet"
copyright = "the jaxdet authors"
release = version = jaxdet.__version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
myst_heading_anchors = 3
html_theme = "furo"
html_title = f"jaxdet {release}"
autodoc_typehints = "signature"
autodoc_member_order = "bysource"
exclude_patterns = ["_build"]
