"""How JupyterLab starts for this course: at the first lesson, with the defaults beside this file.

Read because of ``--config=tools/jupyterlab/jupyter_lab_config.py``, which `make lab` passes.
"""

import os
from pathlib import Path

c = get_config()  # noqa: F821 - there whenever Jupyter reads this file

c.LabApp.default_url = "/lab/tree/notebooks/00_start_here.ipynb"
c.LabApp.app_settings_dir = str(Path(__file__).resolve().parent)

# The matrices of this course are small: a second thread costs time instead of saving it.
os.environ.setdefault("OMP_NUM_THREADS", "1")
