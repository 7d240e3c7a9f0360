"""The course's data: two sets of pictures in the package, three small sets from scikit-learn.

Every array is checked against a SHA-256 and cannot be written to. Where the files come from,
and their licences: ``minilib/data/README.md``.
"""

import hashlib
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

DATA = Path(__file__).parent / "data"
"""Folder of the files; its ``SHA256SUMS`` lists the checksum of each."""

FASHION_CLASSES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
"""What the labels 0 to 9 of Fashion-MNIST mean."""

_FILES = {"train": ("train", 60_000), "test": ("t10k", 10_000)}  # first word of a name, pictures

_SKLEARN_SHA256 = {  # of the bytes of X, then of y, as the loaders return them
    "breast_cancer": "cdd5f37c36cbdfc2e5ee074cec7540fac54340874afb25917a673e446270d0d0",
    "diabetes": "e9c1f7559552854a24dc45b41c446ce5f79f96e5da081bcce24b57492720b3f7",
    "digits": "87ff0c9e40dc7e2c0e34e7257799c2e3f3aec1a016363bb11cad869ec428a826",
}


@dataclass(frozen=True, eq=False)
class Split:
    """Pictures and their labels.

    For torch, copy: ``torch.tensor(split.x)``.

    Attributes
    ----------
    x : read-only uint8 array of shape (n, height, width)
        Ink: 0 is white paper, the highest value full ink.
    y : read-only uint8 array of shape (n,)
        Labels, 0 to 9.
    """

    x: np.ndarray
    y: np.ndarray


@dataclass(frozen=True, eq=False)
class Table:
    """A table of measurements and the number to predict from them.

    Attributes
    ----------
    X : read-only float64 array of shape (n, p)
        One row per person or sample, one column per feature, not scaled.
    y : read-only float64 array of shape (n,)
        What is to be predicted.
    features : tuple of p str
        Names of the columns, as in scikit-learn.
    units : tuple of p str
        Their units; "not stated" where the source states none.
    target : str
        What `y` is.
    """

    X: np.ndarray
    y: np.ndarray
    features: tuple[str, ...]
    units: tuple[str, ...]
    target: str


def load_mnist(part: str) -> Split:
    """Load handwritten digits of 28 by 28 pixels.

    Parameters
    ----------
    part : {"train", "test"}
        60,000 digits to learn from, or 10,000 by other writers to be tested with.

    Returns
    -------
    Split
        `x` is ink from 0, white paper, to 255, full ink; `y` is the digit.

    Raises
    ------
    ValueError
        If `part` is neither, or a file is damaged: the text names it and the command that
        fetches it again.
    FileNotFoundError
        If a file is missing: the same.

    Notes
    -----
    Y. LeCun, L. Bottou, Y. Bengio, P. Haffner 1998, "Gradient-based learning applied to
    document recognition", doi:10.1109/5.726791.
    """
    return _load_split("mnist", part)


def load_fashion_mnist(part: str) -> Split:
    """Load pictures of clothes of 28 by 28 pixels.

    Parameters
    ----------
    part : {"train", "test"}
        60,000 pictures to learn from, or 10,000 to be tested with.

    Returns
    -------
    Split
        `x` is brightness from 0, the background, to 255; `y` is the class, a position in
        `FASHION_CLASSES`.

    Raises
    ------
    ValueError
        If `part` is neither, or a file is damaged: the text names it and the command that
        fetches it again.
    FileNotFoundError
        If a file is missing: the same.

    Notes
    -----
    H. Xiao, K. Rasul, R. Vollgraf 2017, "Fashion-MNIST: a novel image dataset for
    benchmarking machine learning algorithms", arXiv:1708.07747.
    """
    return _load_split("fashion-mnist", part)


def load_digits() -> Split:
    """Load scikit-learn's 1,797 handwritten digits of 8 by 8 pixels.

    Returns
    -------
    Split
        `x` is ink from 0, white paper, to 16, full ink; `y` is the digit.

    Raises
    ------
    ValueError
        If scikit-learn ships other numbers than those the course was written with.

    Notes
    -----
    E. Alpaydin, C. Kaynak 1998, "Optical recognition of handwritten digits", UCI,
    doi:10.24432/C50P49; scikit-learn holds its test set.
    """
    from sklearn import datasets

    source = datasets.load_digits()
    x, y = _checked("digits", source.images, source.target, np.uint8)
    return Split(x, y)


def load_diabetes() -> Table:
    """Load the table of 442 diabetes patients with its 10 features in their own units.

    The serum measurements s1 to s6 are: total cholesterol, low-density lipoproteins,
    high-density lipoproteins, total cholesterol / HDL, possibly the logarithm of the
    triglycerides, and blood sugar. The source states no units; those of bmi and bp are the
    usual ones, which the values fit. It does not say which sex is 1 and which is 2 either.

    Returns
    -------
    Table
        `y` is a measure of how far the disease went in a year, 25 to 346.

    Raises
    ------
    ValueError
        If scikit-learn ships other numbers than those the course was written with.

    Notes
    -----
    B. Efron, T. Hastie, I. Johnstone, R. Tibshirani 2004, "Least angle regression",
    doi:10.1214/009053604000000067.
    """
    from sklearn import datasets

    source = datasets.load_diabetes(scaled=False)
    X, y = _checked("diabetes", source.data, source.target, np.float64)
    units = (
        "years",
        "1 or 2",
        "kg/m^2",
        "mm Hg",
        *["not stated"] * 3,
        "ratio",
        *["not stated"] * 2,
    )
    target = "disease progression one year after baseline, no unit"
    return Table(X, y, tuple(source.feature_names), units, target)


def load_breast_cancer() -> Table:
    """Load the table of 569 breast tumours with 30 features of their cells' nuclei.

    Ten properties, from the radius to the fractal dimension of the outline, each as mean,
    standard error and worst (the mean of the three largest) over the nuclei in one picture.

    Returns
    -------
    Table
        `y` is 0 for a malignant tumour (212 of them) and 1 for a benign one (357).

    Raises
    ------
    ValueError
        If scikit-learn ships other numbers than those the course was written with.

    Notes
    -----
    W. Wolberg, O. Mangasarian, N. Street, W. Street 1993, "Breast cancer Wisconsin
    (diagnostic)", UCI, doi:10.24432/C5DW2B.
    """
    from sklearn import datasets

    source = datasets.load_breast_cancer()
    X, y = _checked("breast_cancer", source.data, source.target, np.float64)
    features = tuple(str(name) for name in source.feature_names)
    return Table(X, y, features, ("not stated",) * 30, "0 malignant, 1 benign")


def _load_split(folder: str, part: str) -> Split:
    if part not in _FILES:
        raise ValueError(f"part is 'train' or 'test', got {part!r}.")
    stem, n = _FILES[part]
    x = _read_idx(f"{folder}/{stem}-images-idx3-ubyte.gz", (n, 28, 28))
    y = _read_idx(f"{folder}/{stem}-labels-idx1-ubyte.gz", (n,))
    return Split(x, y)


def _read_idx(path: str, shape: tuple[int, ...]) -> np.ndarray:
    """Read a gzipped IDX file of unsigned bytes, `path` below `DATA`, that must have `shape`.

    Its header is a number that says "unsigned bytes, so many dimensions", then the length of
    each dimension, all as four bytes with the highest first.
    """
    compressed = _read(path)
    expected = _checksum(path)
    if (found := hashlib.sha256(compressed).hexdigest()) != expected:
        raise _damaged(path, f"its SHA-256 is {found[:8]}..., not {expected[:8]}...")
    try:
        raw = zlib.decompress(compressed, wbits=31)  # 31: a gzip file, its CRC is checked
    except zlib.error as error:
        raise _damaged(path, f"it cannot be unpacked ({error})") from error
    header = struct.Struct(f">{1 + len(shape)}I")
    if len(raw) < header.size:
        raise _damaged(path, f"it holds {len(raw)} bytes, less than a header")
    magic, *found_shape = header.unpack_from(raw)
    if magic != 0x800 + len(shape):
        raise _damaged(path, f"it begins with {magic:#010x}, not {0x800 + len(shape):#010x}")
    if tuple(found_shape) != shape:
        raise _damaged(path, f"its header says {tuple(found_shape)}, not {shape}")
    n_values = len(raw) - header.size
    if n_values != np.prod(shape):
        raise _damaged(path, f"it holds {n_values} values, its header promises {np.prod(shape)}")
    return np.frombuffer(raw, np.uint8, offset=header.size).reshape(shape)


def _read(path: str) -> bytes:
    try:
        return (DATA / path).read_bytes()
    except FileNotFoundError:
        raise FileNotFoundError(f"The file {DATA / path} is missing. {_mend(path)}") from None


def _checksum(path: str) -> str:
    for line in _read("SHA256SUMS").decode("ascii", errors="replace").splitlines():
        if line.endswith(f"  {path}"):
            return line.split()[0]
    raise _damaged("SHA256SUMS", f"it has no line for {path}")


def _damaged(path: str, why: str) -> ValueError:
    return ValueError(f"The file {DATA / path} is damaged: {why}. {_mend(path)}")


def _mend(path: str) -> str:
    return f"In the course's folder, run: git checkout -- minilib/data/{path}"


def _checked(name: str, X: np.ndarray, y: np.ndarray, dtype: type) -> tuple[np.ndarray, np.ndarray]:
    """Return scikit-learn's arrays as read-only copies, if they hold the numbers we know."""
    X, y = (np.array(values, dtype=dtype, order="C") for values in (X, y))
    found = hashlib.sha256(X.tobytes() + y.tobytes()).hexdigest()
    if found != _SKLEARN_SHA256[name]:
        import sklearn

        raise ValueError(
            f"scikit-learn {sklearn.__version__} gives other numbers for load_{name}() than those "
            f"this course was written with (SHA-256 {found[:8]}..., not "
            f"{_SKLEARN_SHA256[name][:8]}...), so results would differ from the text. Install the "
            "tested version: python -m pip install -c constraints.txt scikit-learn"
        )
    X.flags.writeable = y.flags.writeable = False
    return X, y
