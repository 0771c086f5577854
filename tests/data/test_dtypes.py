"""The dtype lattice: the array API's table, symmetry, and the limits of Python's numbers."""

import itertools
from typing import Any

import allumette_core as al
import numpy as np
import pytest
from allumette_core import dtypes
from allumette_core.dtypes import as_dtype, promote, promote_weak
from strategies import ALL, BOOL, FLOATS, INTEGERS, SIGNED, UNSIGNED

# The array API's table of integers: rows signed, columns unsigned.
MIXED = {
    ("int8", "uint8"): "int16", ("int8", "uint16"): "int32", ("int8", "uint32"): "int64",
    ("int16", "uint8"): "int16", ("int16", "uint16"): "int32", ("int16", "uint32"): "int64",
    ("int32", "uint8"): "int32", ("int32", "uint16"): "int32", ("int32", "uint32"): "int64",
    ("int64", "uint8"): "int64", ("int64", "uint16"): "int64", ("int64", "uint32"): "int64",
}  # fmt: skip


@pytest.mark.parametrize("names", MIXED)
def test_signed_and_unsigned(names: tuple[str, str]) -> None:
    a, b = map(np.dtype, names)
    assert promote(a, b) == promote(b, a) == MIXED[names]


@pytest.mark.parametrize("family", [SIGNED, UNSIGNED, FLOATS])
def test_within_a_family_the_wider_wins(family: list[Any]) -> None:
    for i, j in itertools.product(range(len(family)), repeat=2):
        assert promote(family[i], family[j]) is family[max(i, j)]


@pytest.mark.parametrize("other", ALL)
def test_bool_gives_way_to_everything(other: Any) -> None:
    assert promote(BOOL, other) == promote(other, BOOL) == other


@pytest.mark.parametrize("integer", INTEGERS)
@pytest.mark.parametrize("float_", FLOATS)
def test_an_integer_and_a_float_give_that_float(integer: Any, float_: Any) -> None:
    assert promote(integer, float_) == promote(float_, integer) == float_


@pytest.mark.parametrize("signed", SIGNED)
def test_uint64_with_a_signed_integer_is_refused(signed: Any) -> None:
    for pair in ((signed, np.dtype("uint64")), (np.dtype("uint64"), signed)):
        with pytest.raises(al.DTypeError, match=r"no integer dtype holds both .*cast one of them"):
            promote(*pair)


def test_promotion_is_associative_where_it_is_defined() -> None:
    for a, b, c in itertools.product(ALL, repeat=3):
        try:
            left, right = promote(promote(a, b), c), promote(a, promote(b, c))
        except al.DTypeError:
            continue
        assert left == right or FLOATS[0] in (left, right) or left.kind == "f"


@pytest.mark.parametrize("dtype", ALL)
def test_python_numbers_are_weak(dtype: Any) -> None:
    kind = dtype.kind
    assert promote_weak(dtype, bool) == dtype
    assert promote_weak(dtype, int) == ("int32" if kind == "b" else dtype)
    assert promote_weak(dtype, float) == (dtype if kind == "f" else "float32")
    for number in (True, 1, 1.0):
        x = al.tensor(np.ones(2, dtype))
        if kind != "b" or number is not True:
            assert (x + number).dtype == promote_weak(dtype, type(number))
            assert (number + x).dtype == promote_weak(dtype, type(number))


@pytest.mark.parametrize(
    ("spelling", "expected"),
    [
        ("float32", "float32"), (np.float32, "float32"), (np.dtype(">f4"), "float32"),
        (float, "float32"), (int, "int32"), (bool, "bool"), ("u1", "uint8"), (al.bool, "bool"),
        (al.int64, "int64"),
    ],
)  # fmt: skip
def test_spellings(spelling: Any, expected: str) -> None:
    assert as_dtype(spelling) is getattr(dtypes, "bool_" if expected == "bool" else expected)


@pytest.mark.parametrize("spelling", ["complex64", "float128", "U3", "nonsense", object, "M8[s]"])
def test_dtypes_that_there_are_not(spelling: Any) -> None:
    with pytest.raises(al.DTypeError, match=r"is not supported; supported are|is not a dtype"):
        as_dtype(spelling)


@pytest.mark.parametrize("dtype", ALL)
def test_public_names_are_numpys_dtypes(dtype: Any) -> None:
    assert getattr(al, dtype.name) is dtype
    assert al.tensor(np.zeros(1, dtype)).dtype == dtype.type
