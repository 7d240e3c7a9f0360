"""How nbgrader turns solutions/ into exercises/ and grades what comes back."""

import os
import shutil
import sysconfig

from nbconvert.preprocessors import ClearMetadataPreprocessor
from nbgrader.converters import Autograde, GenerateAssignment

from minilib.grading.nbgrader_preprocessors import RebuildSubmission

c = get_config()  # noqa: F821  (nbgrader puts this function in the namespace)

c.CourseDirectory.course_id = "small-networks"
c.CourseDirectory.source_directory = "solutions"
c.CourseDirectory.release_directory = "exercises"

c.ClearSolutions.code_stub = {
    "python": '# YOUR CODE HERE\nraise NotImplementedError("write your answer here")'
}

# A solution that was merely run again must give the same exercise, byte for byte: what a run
# leaves in the metadata (times, versions, widgets) goes before anything else is done.
c.GenerateAssignment.preprocessors = [
    ClearMetadataPreprocessor,
    *GenerateAssignment.preprocessors.default(),
]
c.ClearMetadataPreprocessor.enabled = True
c.ClearMetadataPreprocessor.preserve_cell_metadata_mask = {
    "deletable",
    "editable",
    "nbgrader",
    "tags",
}
c.ClearMetadataPreprocessor.preserve_nb_metadata_mask = {"kernelspec", ("language_info", "name")}

# Whatever a learner deletes, copies or renames: the answers are put into the exercise as it was
# handed out. nbgrader then runs strangers' code with your rights; `make grade` does not.
c.Autograde.sanitize_preprocessors = [
    RebuildSubmission,
    *Autograde.sanitize_preprocessors.default(),
]

# nbgrader starts `alembic` by its bare name: find it where the environment is not activated, too.
if shutil.which("alembic") is None:
    os.environ["PATH"] = os.pathsep.join([sysconfig.get_path("scripts"), os.environ["PATH"]])
