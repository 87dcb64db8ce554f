"""The settings of Sphinx. `make site` builds the pages of this folder."""

import re
from pathlib import Path

HERE = Path(__file__).resolve().parent
VERSION_FILE = HERE.parent / "jaxrng_doctor" / "_util" / "version.py"

project = "jaxrng-doctor"
author = "The jaxrng-doctor authors"
release = re.search(r'"(.+)"', VERSION_FILE.read_text(encoding="utf-8"))[1]

extensions = ["myst_parser", "sphinx_copybutton", "sphinx_design"]
exclude_patterns = ["_build"]

myst_enable_extensions = ["colon_fence"]
# Links such as `ci.md#gitlab`, which GitHub understands as well.
myst_heading_anchors = 3

copybutton_prompt_text = "$ "

html_title = "jaxrng-doctor"
html_theme = "sphinx_book_theme"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {
    "home_page_in_toc": False,
    "show_toc_level": 2,
    "show_navbar_depth": 1,
    "use_download_button": False,
    "use_fullscreen_button": False,
    # The search is in the sidebar.
    "navbar_persistent": [],
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}
