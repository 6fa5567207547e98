"""The table of writers: every entry has a ``write``, and reading the table loads nothing heavy."""

import inspect
import subprocess
import sys

import pytest

from dfd.outputs import WRITERS, writer


@pytest.mark.parametrize("name", WRITERS)
def test_every_writer_takes_a_folder_first_and_returns_a_file(name):
    signature = inspect.signature(writer(name))
    assert next(iter(signature.parameters)) == "folder"
    assert signature.return_annotation == "Path"


def test_the_table_and_the_scores_load_nothing_heavy():
    code = (
        "import sys, dfd.outputs, dfd.outputs.scores; print(*sorted({'pandas', 'PIL', 'torch', "
        "'numpy.testing'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
