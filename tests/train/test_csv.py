"""CSV files: what is read, and the one line that a malformed file gets."""

import codecs
import csv
import gzip
import io
from pathlib import Path

import numpy as np
import pytest
from allumette_core.errors import AllumetteError, FormatError
from allumette_train.data import read_data
from allumette_train.data.columns import MOST_CATEGORIES
from hypothesis import given
from hypothesis import strategies as st

PLAIN = "age,job,y\n20,cook,no\n30,baker,yes\n40,cook,yes\n"


def write(folder: Path, text: str | bytes, name: str = "data.csv") -> Path:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def test_numbers_and_categories(tmp_path: Path) -> None:
    data = read_data(write(tmp_path, PLAIN), "y")
    assert data.name == "data"
    assert data.features.names == ("age",)
    assert data.features.numbers.tolist() == [[20], [30], [40]]
    (job,) = data.features.categories
    assert (job.name, job.texts, job.codes.tolist()) == ("job", ("cook", "baker"), [0, 1, 0])
    assert data.classes == ("no", "yes")
    assert data.labels.tolist() == [0, 1, 1]
    assert data.test is None


@pytest.mark.parametrize(
    "text",
    [
        codecs.BOM_UTF8 + PLAIN.encode(),
        PLAIN.replace("\n", "\r\n"),
        PLAIN.replace(",", ";"),
        PLAIN.replace(",", "\t"),
        PLAIN.replace("\n", "\n\n"),
        PLAIN.rstrip("\n"),
        PLAIN.replace("30", " 30 ").replace("cook", " cook"),
        gzip.compress(PLAIN.encode()),
        '"age","job","y"\n"20","cook","no"\n"30","baker","yes"\n"40","cook","yes"\n',
    ],
    ids=["bom", "crlf", "semicolon", "tab", "blank", "no-newline", "spaces", "gzip", "quoted"],
)
def test_same_table_written_otherwise(tmp_path: Path, text: str | bytes) -> None:
    data = read_data(write(tmp_path, text), "y")
    assert data.features.names == ("age",)
    assert data.features.numbers.tolist() == [[20], [30], [40]]
    assert data.features.categories[0].texts == ("cook", "baker")
    assert data.labels.tolist() == [0, 1, 1]


def test_quoted_commas_quotes_and_newlines(tmp_path: Path) -> None:
    text = '"a, b",y\n"1",p\n"2","q ""r""\nz"\n'
    data = read_data(write(tmp_path, text), "y")
    assert data.features.names == ("a, b",)
    assert data.classes == ("p", 'q "r"\nz')


def test_numeric_target_is_ordered_by_value(tmp_path: Path) -> None:
    data = read_data(write(tmp_path, "x,y\n1,10\n2,9\n3,9.0\n"), "y")
    assert data.classes == ("9", "10")
    assert data.labels.tolist() == [1, 0, 0]


def test_categorical_and_drop(tmp_path: Path) -> None:
    path = write(tmp_path, "id,zip,x,y\n1,01,5,a\n2,1,6,b\n")
    data = read_data(path, "y", categorical=["zip"], drop=["id"])
    assert data.features.names == ("x",)
    assert data.features.categories[0].texts == ("01", "1")


def test_categories_keep_their_spelling_across_blocks(tmp_path: Path) -> None:
    # The first block looks like numbers, the column as a whole does not.
    rows = ["01,a"] * 8192 + ["1,b"] + ["red,b"] * 9000
    data = read_data(write(tmp_path, "\n".join(["code,y", *rows])), "y")
    (code,) = data.features.categories
    assert code.texts == ("01", "1", "red")
    assert np.bincount(code.codes).tolist() == [8192, 1, 9000]


def test_empty_cell_is_a_category_of_its_own(tmp_path: Path) -> None:
    data = read_data(write(tmp_path, "job,y\ncook,a\n,b\n"), "y")
    assert data.features.categories[0].texts == ("cook", "")


MALFORMED = {
    "empty": ("", r"data.csv: the file is empty"),
    "no-rows": ("a,y\n", r"data.csv: has a header but no rows"),
    "short": ("a,b,y\n1,2,p\n3,4\n", r"line 3: found 2 cells .* 3 columns; column 'y' is missing"),
    "long": ("a,y\n1,p\n2,q,r\n", r"line 3: found 3 cells .* 2 columns; 'r' is too much"),
    "text": ("a,y\n1,p\n2,q\nfour,q\n", r"line 4, column 'a': found 'four' where .* numbers"),
    "hole": ("a,y\n1,p\n,q\n3,q\n", r"line 3, column 'a': found an empty cell"),
    "underscore": ("a,y\n1,p\n2,q\n1_000,q\n", r"line 4, column 'a': found '1_000'"),
    "nan": ("a,y\n1,p\nnan,q\n", r"line 3, column 'a': found nan"),
    "inf": ("a,y\n1,p\n-inf,q\n", r"line 3, column 'a': found -inf"),
    "overflow": ("a,y\n1,p\n1e999,q\n", r"line 3, column 'a': found inf"),
    "nan-text": ("a,y\n1,p\n2,p\nNaN,q\nx,q\n", r"line 4, column 'a': found 'NaN'"),
    "all-empty": ("a,b,y\n,1,p\n,2,q\n", r"column 'a' is empty; .*--drop 'a'"),
    "no-target": ("a,b\n1,2\n", r"line 1: there is no column 'y', only 'a', 'b'"),
    "target-hole": ("a,y\n1,p\n2,\n", r"line 3, column 'y': found an empty cell"),
    "one-class": ("a,y\n1,p\n2,p\n", r"column 'y': every label is 'p'; .* two classes"),
    "twice": ("a,a,y\n1,2,p\n", r"line 1, column 2: 'a' is there twice"),
    "unnamed": (",a,y\n0,1,p\n", r"line 1, column 1: has no name"),
    "headerless": ("1,2,3\n4,5,6\n", r"line 1: holds numbers; the first line should name"),
    "one-column": ("y\n1\n2\n", r"line 1: has one column, 'y'"),
    "only-target": ("a,y\n1,p\n2,q\n", r"no feature is left"),
    "quote": ('a,y\n1,"p\n2,q\n', r"line 2: not readable as CSV .* quotation marks"),
    "latin-1": (b"a,y\n1,caf\xe9\n", r"byte 0xe9 is not UTF-8 text; save the file as UTF-8"),
    "utf-16": (PLAIN.encode("utf-16"), r"near line 1: byte 0xff is not UTF-8"),
    "multi-line": ('a,y\n"1\n\n",p\n2,q\nx,q\n', r"line 6, column 'a': found 'x'"),
    "damaged-gzip": (gzip.compress(PLAIN.encode())[:-9], r"damaged gzip"),
    "measurements": (
        "a,y\n" + "\n".join(f"1,{i / 7}" for i in range(100)),
        r"column 'y': 100 different values in 100 rows look like measurements",
    ),
    "mostly-different": (
        "a,y\n" + "\n".join(f"1,{min(i, 29)}" for i in range(40)),
        r"column 'y': 30 different values in 40 rows look like measurements; .* at most 20",
    ),
    "names": (
        "a,y\n" + "\n".join(f"n{i},{i % 2}" for i in range(300)),
        rf"column 'a' holds 300 different texts, more than the {MOST_CATEGORIES}",
    ),
}


@pytest.mark.parametrize("case", MALFORMED)
def test_malformed_file_is_one_line(tmp_path: Path, case: str) -> None:
    text, message = MALFORMED[case]
    drop = ["a"] if case == "only-target" else []
    with pytest.raises(FormatError, match=message) as caught:
        read_data(write(tmp_path, text), "y", drop=drop)
    assert "data.csv" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_target_is_asked_for(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=r"which column .* --target one of 'age', 'job', 'y'"):
        read_data(write(tmp_path, PLAIN))


def test_target_cannot_be_dropped(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="'y' is the target"):
        read_data(write(tmp_path, PLAIN), "y", drop=["y"])


def test_missing_file_and_other_formats(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="No such file"):
        read_data(tmp_path / "none.csv", "y")
    with pytest.raises(FormatError, match="is Parquet; what works is a CSV"):
        read_data(write(tmp_path, b"PAR1" + bytes(50), "data.parquet"), "y")


@given(
    rows=st.lists(
        st.tuples(
            st.floats(allow_nan=False, allow_infinity=False),
            st.sampled_from(['a,"b"', "c\nd", ";x", "\ty", "é", "'q'"]),
            st.sampled_from(["yes", "no"]),
        ),
        min_size=2,
        max_size=30,
    ).filter(lambda rows: len({row[2] for row in rows}) == 2),
    delimiter=st.sampled_from(",;\t"),
)
def test_round_trip(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[float, str, str]], delimiter: str
) -> None:
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter)
    writer.writerow(["number", "word", "y"])
    writer.writerows(rows)
    path = write(tmp_path_factory.mktemp("csv"), out.getvalue())
    data = read_data(path, "y")
    assert data.features.numbers[:, 0].tolist() == [row[0] for row in rows]
    (word,) = data.features.categories
    assert [word.texts[code] for code in word.codes] == [row[1].strip() for row in rows]
    assert [data.classes[label] for label in data.labels] == [row[2] for row in rows]


@given(
    st.one_of(
        st.binary(max_size=80),
        st.text('0123,";\n\r\t .eyan-', max_size=80).map(lambda text: b"a,y\n" + text.encode()),
    )
)
def test_any_bytes_are_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    path = write(tmp_path_factory.mktemp("csv"), content)
    refusal = None
    try:
        data = read_data(path, "y")
    except AllumetteError as error:
        refusal = str(error)
    if refusal is None:
        assert data.rows == data.features.rows > 1
        assert np.isfinite(data.features.numbers).all()
    else:
        assert str(path) in refusal
        assert "\n" not in refusal
