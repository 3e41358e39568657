"""The first thing that a single-file program runs: refuse a Python for which the compiled code inside is not made."""

import sys
import sysconfig
from pathlib import Path

MODULE = "_multiarray_umath"
site_packages: Path = globals()["site_packages"]  # shiv gives it
made_for = [path.name.removeprefix(MODULE) for path in (site_packages / "numpy/_core").glob(f"{MODULE}.*.so")]
ours = sysconfig.get_config_var("EXT_SUFFIX")
if ours not in made_for:
    kinds, own = ", ".join(made_for).replace(".so", "").replace(".", ""), ours.strip(".").removesuffix(".so")
    sys.stderr.write(f"layerscope: this file is made for {kinds}, and this Python is {own}: ")
    sys.stderr.write("get the file for yours, or run this one with another Python, as in: python3.13 layerscope.pyz\n")
    sys.exit(2)
