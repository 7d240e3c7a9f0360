"""Rebuild submissions for nbgrader too, its commands and its formgrader: see nbgrader_config.py."""

from pathlib import Path

import nbformat
from nbconvert.exporters.exporter import ResourcesDict
from nbformat.notebooknode import NotebookNode
from nbgrader.preprocessors import NbGraderPreprocessor
from traitlets import Unicode

from minilib.grading.rebuild import read_notebook, rebuild_submission


class RebuildSubmission(NbGraderPreprocessor):
    """Put the answers of a submission into the exercise that was handed out.

    It repairs what was deleted, copied, renamed or tagged. It is no wall: nbgrader then runs the
    code with the rights of whoever grades. `make grade` runs it behind one.
    """

    released = Unicode("exercises", help="the folder of the exercises as they were handed out").tag(
        config=True
    )

    def preprocess(
        self, nb: NotebookNode, resources: ResourcesDict
    ) -> tuple[NotebookNode, ResourcesDict]:
        """Rebuild one notebook.

        Parameters
        ----------
        nb : NotebookNode
            What was handed in.
        resources : ResourcesDict
            nbgrader's, which say what it is.

        Returns
        -------
        nb : NotebookNode
            The rebuilt notebook.
        resources : ResourcesDict
            As they came.
        """
        marks = resources["nbgrader"]
        name = f"{marks['notebook']}.ipynb"
        skeleton = read_notebook(Path(self.released, marks["assignment"], name).read_bytes())
        handed_in = read_notebook(nbformat.writes(nb).encode())
        rebuilt = rebuild_submission(skeleton, handed_in)
        for note in rebuilt.notes:
            self.log.warning("%s: %s", marks["student"], note)
        return nbformat.from_dict(rebuilt.notebook), resources
