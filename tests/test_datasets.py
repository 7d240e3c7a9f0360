import gzip
import hashlib
import shutil
import struct
import subprocess
import sys

import numpy as np
import pytest
import sklearn.datasets

from minilib import datasets
from minilib.datasets import (
    FASHION_CLASSES,
    load_breast_cancer,
    load_diabetes,
    load_digits,
    load_fashion_mnist,
    load_mnist,
)

IMAGES = "mnist/t10k-images-idx3-ubyte.gz"
LABELS = "mnist/t10k-labels-idx1-ubyte.gz"
SETS = [(load, part) for load in (load_mnist, load_fashion_mnist) for part in ("train", "test")]
TABLES = [load_diabetes, load_breast_cancer]


@pytest.fixture
def data(tmp_path, monkeypatch):
    """A copy of MNIST's test part that may be damaged."""
    (tmp_path / "mnist").mkdir()
    for name in ("SHA256SUMS", IMAGES, LABELS):
        shutil.copy(datasets.DATA / name, tmp_path / name)
    monkeypatch.setattr(datasets, "DATA", tmp_path)
    return tmp_path


def replace(data, path, content):
    """Write `content` and list its checksum, as if it had been published so."""
    (data / path).write_bytes(content)
    lines = (data / "SHA256SUMS").read_text().splitlines()
    others = [line for line in lines if not line.endswith(path)]
    sums = [*others, f"{hashlib.sha256(content).hexdigest()}  {path}"]
    (data / "SHA256SUMS").write_text("\n".join(sums) + "\n")


def refused(match, path=LABELS):
    return pytest.raises(ValueError, match=rf"(?s){path} is damaged: .*{match}.*git checkout -- ")


@pytest.mark.parametrize(("load", "part"), SETS)
def test_pictures_are_read_only_bytes_of_28_by_28_pixels_from_0_to_255(load, part):
    split = load(part)
    n = {"train": 60_000, "test": 10_000}[part]
    assert (split.x.shape, split.x.dtype) == ((n, 28, 28), np.uint8)
    assert (split.x.min(), split.x.max()) == (0, 255)
    with pytest.raises(ValueError, match="read-only"):
        split.x[0, 0, 0] = 1


@pytest.mark.parametrize(("load", "part"), SETS)
def test_labels_are_read_only_bytes_from_0_to_9(load, part):
    split = load(part)
    assert (split.y.shape, split.y.dtype) == (split.x.shape[:1], np.uint8)
    assert np.unique(split.y).tolist() == list(range(10))
    with pytest.raises(ValueError, match="read-only"):
        split.y[0] = 1


@pytest.mark.parametrize("part", ["train", "test"])
def test_fashion_mnist_has_as_many_pictures_of_each_class(part):
    assert len(set(np.bincount(load_fashion_mnist(part).y))) == 1
    assert len(FASHION_CLASSES) == 10


def test_the_digits_of_mnist_are_dark_ink_on_white_paper():
    x = load_mnist("test").x
    assert x[:, 0].mean() < 1 < 50 < x[:, 10:18, 10:18].mean()


def test_the_first_digits_of_mnist_are_those_everybody_knows():
    assert load_mnist("train").y[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    assert load_mnist("test").y[:10].tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]


def test_the_unpacked_files_have_the_checksums_that_the_readme_lists():
    text = (datasets.DATA / "README.md").read_text(encoding="utf-8")
    files = sorted(datasets.DATA.glob("*/*.gz"))
    unpacked = [hashlib.sha256(gzip.decompress(file.read_bytes())).hexdigest() for file in files]
    assert len(files) == 8
    assert [digest for digest in unpacked if f"| {digest} |" not in text] == []


def test_checksums_with_windows_line_ends_are_read_too(data):
    sums = (data / "SHA256SUMS").read_bytes()
    (data / "SHA256SUMS").write_bytes(sums.replace(b"\n", b"\r\n"))
    assert len(load_mnist("test").y) == 10_000


def test_another_part_is_refused():
    with pytest.raises(ValueError, match="part is 'train' or 'test', got 'valid'"):
        load_mnist("valid")


def test_a_missing_file_is_named_with_the_command_that_fetches_it(data):
    (data / IMAGES).unlink()
    command = f"git checkout -- minilib/data/{IMAGES}"
    with pytest.raises(FileNotFoundError, match=f"{IMAGES} is missing.*{command}"):
        load_mnist("test")


def test_a_damaged_part_does_not_keep_the_other_from_loading(data):
    for name in ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"):
        (data / "mnist" / name).write_bytes(b"damaged")
    with refused("SHA-256", "mnist/train-images-idx3-ubyte.gz"):
        load_mnist("train")
    assert len(load_mnist("test").y) == 10_000


@pytest.mark.parametrize("path", [IMAGES, LABELS])
@pytest.mark.parametrize("position", [0, 9, 2000, -1])
def test_one_flipped_bit_anywhere_is_refused(data, path, position):
    content = bytearray((data / path).read_bytes())
    content[position] ^= 1
    (data / path).write_bytes(content)
    with refused("SHA-256", path):
        load_mnist("test")


def test_a_truncated_file_is_refused(data):
    (data / IMAGES).write_bytes((data / IMAGES).read_bytes()[:100_000])
    with refused("SHA-256", IMAGES):
        load_mnist("test")


def test_a_file_truncated_before_its_checksum_was_taken_is_refused(data):
    replace(data, LABELS, (data / LABELS).read_bytes()[:3000])
    with refused("cannot be unpacked"):
        load_mnist("test")


def test_a_file_that_is_not_gzipped_is_refused(data):
    replace(data, LABELS, b"plain text")
    with refused("cannot be unpacked"):
        load_mnist("test")


def test_a_file_shorter_than_its_header_is_refused(data):
    replace(data, LABELS, gzip.compress(b"\0\0\x08"))
    with refused("holds 3 bytes, less than a header"):
        load_mnist("test")


def test_a_wrong_magic_number_is_refused(data):
    replace(data, LABELS, gzip.compress(struct.pack(">II", 0x803, 10_000) + bytes(10_000)))
    with refused("begins with 0x00000803, not 0x00000801"):
        load_mnist("test")


def test_a_wrong_count_is_refused(data):
    replace(data, LABELS, gzip.compress(struct.pack(">II", 0x801, 9_999) + bytes(9_999)))
    with refused(r"header says \(9999,\), not \(10000,\)"):
        load_mnist("test")


@pytest.mark.parametrize("n_values", [9_999, 10_001])
def test_a_header_that_promises_another_number_of_values_than_follow_is_refused(data, n_values):
    replace(data, LABELS, gzip.compress(struct.pack(">II", 0x801, 10_000) + bytes(n_values)))
    with refused(f"holds {n_values} values, its header promises 10000"):
        load_mnist("test")


def test_missing_checksums_are_named_with_the_command_that_fetches_them(data):
    (data / "SHA256SUMS").unlink()
    with pytest.raises(FileNotFoundError, match="git checkout -- minilib/data/SHA256SUMS"):
        load_mnist("test")


def test_a_file_without_a_checksum_is_refused(data):
    (data / "SHA256SUMS").write_text("")
    with refused(f"no line for {IMAGES}", "SHA256SUMS"):
        load_mnist("test")


@pytest.mark.parametrize("load", TABLES)
def test_tables_are_float64_in_row_order_and_read_only(load):
    table = load()
    for values in (table.X, table.y):
        assert (values.dtype, values.flags.c_contiguous) == (np.float64, True)
        assert not values.flags.writeable
    assert np.isfinite(table.X).all()


@pytest.mark.parametrize("load", TABLES)
def test_every_column_has_one_name_and_one_unit(load):
    table = load()
    assert table.X.shape[1] == len(set(table.features)) == len(table.units)
    assert {type(text) for text in table.features + table.units} == {str}


def test_the_diabetes_table_is_in_its_own_units():
    table = load_diabetes()
    assert table.X.shape == (442, 10)
    ranges = {
        name: (column.min(), column.max())
        for name, column in zip(table.features, table.X.T, strict=True)
    }
    assert ranges["age"] == (19, 79)
    assert ranges["sex"] == (1, 2)
    assert 18 <= ranges["bmi"][0] < ranges["bmi"][1] < 43
    assert (table.y.min(), table.y.max()) == (25, 346)


def test_one_marks_a_benign_tumour():
    table = load_breast_cancer()
    assert table.X.shape == (569, 30)
    assert table.target == "0 malignant, 1 benign"
    assert np.bincount(table.y.astype(int)).tolist() == [212, 357]


def test_the_small_digits_are_those_of_scikit_learn():
    split, source = load_digits(), sklearn.datasets.load_digits()
    assert np.array_equal(split.x, source.images)
    assert np.array_equal(split.y, source.target)
    assert (split.x.dtype, split.x.max(), split.x.flags.writeable) == (np.uint8, 16, False)


@pytest.mark.parametrize("load", [load_digits, load_diabetes, load_breast_cancer])
def test_a_table_that_a_later_scikit_learn_changed_is_refused_by_its_version(load, monkeypatch):
    original = getattr(sklearn.datasets, load.__name__)

    def changed(**options):
        source = original(**options)
        source.target[5] += 1
        return source

    monkeypatch.setattr(sklearn.datasets, load.__name__, changed)
    message = f"scikit-learn {sklearn.__version__} gives other numbers for {load.__name__}"
    with pytest.raises(ValueError, match=f"{message}.*-c constraints.txt"):
        load()


@pytest.mark.parametrize("module", ["torch", "sklearn"])
def test_importing_datasets_loads_neither_torch_nor_sklearn(module):
    code = f"import sys, minilib.datasets; assert {module!r} not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
