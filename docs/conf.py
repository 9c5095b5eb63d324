"""How Sphinx builds the documentation: ``make docs``."""

import PyExpLabSys

project = "PyExpLabSys"
author = "PyExpLabSys contributors"
copyright = "2026, PyExpLabSys contributors"
version = release = PyExpLabSys.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = "PyExpLabSys"
html_static_path = ["_static"]
html_show_sphinx = False

myst_enable_extensions = ["colon_fence", "deflist", "fieldlist"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_default_options = {"members": True, "show-inheritance": True}
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True

# Every name of ours must lead somewhere. Names of Python and of other packages are not looked up: the documentation
# builds without a network.
nitpicky = True
# Type variables have no place in the documentation.
nitpick_ignore = [
    ("py:class", "PyExpLabSys.common.decorators.Instance"),
    ("py:class", "PyExpLabSys.common.decorators.Result"),
    ("py:class", "PyExpLabSys.instrument.TransportT"),
    ("py:obj", "PyExpLabSys.instrument.TransportT"),
    ("py:class", "PyExpLabSys.setups.setup.Driver"),
]
nitpick_ignore_regex = [(r"py:.*", r"(?!PyExpLabSys\b).*")]
