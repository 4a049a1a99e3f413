"""Delimited lists: delimiters, headers of other data sets, --column, lines that do not fit."""

from __future__ import annotations

from pathlib import Path

import pytest

from tinyscene.data.bad_rows import BadRows
from tinyscene.data.tables import HEADERS, Table, open_table
from tinyscene.data.tables import read_table as read_columns
from tinyscene.errors import DataError

ROWS = [("file", "label"), ("a.wav", "bus"), ("b, c.wav", "park")]


def write(folder: Path, text: str, name: str = "list.csv") -> Path:
    path = folder / name
    path.write_bytes(text.encode())
    return path


def read_table(path: Path) -> Table:
    """The table, every row of which must be good."""
    bad = BadRows()
    table = read_columns(path, bad)
    bad.told()
    return table


def rows_of(table: Table) -> list[tuple[str, ...]]:
    return list(zip(*table.columns.values(), strict=True))


def told(call) -> str:
    with pytest.raises(DataError) as caught:
        call()
    return str(caught.value)


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"], ids=["LF", "CRLF", "CR"])
@pytest.mark.parametrize("delimiter", [",", "\t", ";"], ids=["comma", "tab", "semicolon"])
@pytest.mark.parametrize("bom", ["", "\ufeff"], ids=["plain", "BOM"])
def test_delimiter_and_line_ends_are_found(tmp_path, delimiter, newline, bom):
    text = newline.join(delimiter.join(f'"{cell}"' for cell in row) for row in ROWS)
    table = read_table(write(tmp_path, bom + text + newline))
    assert table.headers == ["file", "label"]
    assert rows_of(table) == ROWS[1:]
    plain = read_table(write(tmp_path, bom + text.replace('"', "").replace("b, c", "b") + newline))
    assert rows_of(plain) == [("a.wav", "bus"), ("b.wav", "park")]
    assert plain.lines == [2, 3]


def test_blank_lines_and_rows_of_empty_cells_are_passed_over(tmp_path):
    table = read_table(write(tmp_path, "file,label\n\n a.wav , bus \n   \n,\nb.wav,park\n\n"))
    assert rows_of(table) == [("a.wav", "bus"), ("b.wav", "park")]
    assert table.lines == [3, 6]


def test_quoted_cells_may_hold_line_ends_and_rare_separators(tmp_path):
    table = read_table(write(tmp_path, 'file,label\n"a\nb.wav",bus\nc\x0b\u2028d.wav,park\n'))
    assert table.columns["file"] == ["a\nb.wav", "c\x0b\u2028d.wav"]


@pytest.mark.parametrize(("column", "header"), [(c, h) for c, names in HEADERS.items() for h in names])
def test_headers_of_other_data_sets_are_known(tmp_path, column, header):
    names = {"file": "file", "label": "label"} | {column: header.upper()}
    text = ",".join(names.values()) + "\n" + "\n".join(",".join(f"{n}{i}" for n in names) for i in range(2))
    made = open_table(write(tmp_path, text))
    if column == "label":
        assert made.classes == ("label0", "label1")
    else:
        assert getattr(made, "files" if column == "file" else column).tolist() == [f"{column}0", f"{column}1"]


def test_the_most_telling_header_wins(tmp_path):
    made = open_table(write(tmp_path, "filename,class,scene_label\na.wav,1,bus\nb.wav,2,park\n"))
    assert made.classes == ("bus", "park")


def test_a_header_can_be_named_by_the_user(tmp_path):
    path = write(tmp_path, "file,label,species,where\na.wav,1,wren,x\nb.wav,2,owl,y\n")
    made = open_table(path, {"label": "species", "recording": "where"})
    assert made.classes == ("owl", "wren")
    assert made.recording.tolist() == ["x", "y"]


def test_a_named_header_that_is_not_there_is_told_with_the_columns(tmp_path):
    path = write(tmp_path, "file,label\na.wav,1\n")
    assert told(lambda: open_table(path, {"label": "species"})) == (
        f"{path} has no column 'species'; its columns are file, label."
    )


@pytest.mark.parametrize(("missing", "header"), [("label", "file"), ("file", "label")])
def test_a_missing_column_is_told_with_those_there_are(tmp_path, missing, header):
    path = write(tmp_path, f"{header},size,colour\na,1,red\n")
    text = told(lambda: open_table(path))
    assert text.startswith(f"{path} has no {missing} column: one of {', '.join(HEADERS[missing])} is looked for")
    assert text.endswith(f"its columns are {header}, size, colour. Name it with --column {missing}=HEADER.")


@pytest.mark.parametrize(
    ("text", "end"),
    [
        ("", " is empty; a header line and one line a clip are needed."),
        ("\n\n", " is empty; a header line and one line a clip are needed."),
        (
            "file,label\na.wav,bus\nb.wav\n",
            " has one row that cannot be used: line 3: 2 columns are needed, 1 came. Mend the list, or give "
            "--skip-bad.",
        ),
        (
            "file,label\n\na.wav,bus,4\nb.wav,park\nc.wav\n",
            " has 2 rows that cannot be used: line 3: 2 columns are needed, 3 came; line 5: 2 columns are needed, "
            "1 came. Mend the list, or give --skip-bad.",
        ),
        ('file,label\n"a.wav,bus\n' + 140_000 * "x", ", line 3: field larger than field limit (131072)."),
    ],
)
def test_text_that_is_no_table_is_told_with_its_line(tmp_path, text, end):
    path = write(tmp_path, text)
    assert told(lambda: read_table(path)) == f"{path}{end}"


def test_what_is_no_text_or_not_there_is_told(tmp_path):
    binary = tmp_path / "clip.csv"
    binary.write_bytes(b"RIFF\xff\xfe\x00")
    assert told(lambda: read_table(binary)) == (
        f"{binary} cannot be read as a text table: it is not in UTF-8. Save it as CSV in UTF-8."
    )
    assert told(lambda: read_table(tmp_path / "no.csv")) == f"{tmp_path / 'no.csv'} does not exist."
    assert told(lambda: read_table(tmp_path)).startswith(f"{tmp_path} cannot be read as a text table")


def test_a_header_without_rows_lists_no_clips(tmp_path):
    assert told(lambda: open_table(write(tmp_path, "file,label\n"))) == f"{tmp_path / 'list.csv'} lists no clips."


def test_a_meta_csv_is_named_after_its_folder_and_another_after_itself(tmp_path):
    text = "file,label\na.wav,bus\nb.wav,park\n"
    assert open_table(write(tmp_path, text, "meta.csv")).name == tmp_path.name
    assert open_table(write(tmp_path, text, "birds.csv")).name == "birds"


BAD = """filename,label
good.wav,bus
,bus
good.wav,park
../outside.wav,bus
/etc/passwd,bus
silent.wav,
also/../good2.wav,park
"""


def test_bad_rows_are_told_all_at_once_with_their_lines(tmp_path):
    path = write(tmp_path, BAD)
    bad = BadRows()
    open_table(path, None, bad)
    assert told(bad.told) == (
        f"{path} has 5 rows that cannot be used: line 3: it names no file; line 4: the clip good.wav is listed again, "
        "first in line 2; line 5: '../outside.wav' lies outside the data set; line 6: '/etc/passwd' lies outside the "
        "data set; line 7: the clip silent.wav has no label. Mend the list, or give --skip-bad."
    )


def test_bad_rows_can_be_left_out_and_are_counted(tmp_path):
    bad = BadRows(skip=True)
    made = open_table(write(tmp_path, BAD), None, bad)
    assert made.files.tolist() == ["good.wav", "good2.wav"]
    assert bad.told()[0].startswith("5 bad rows were left out (--skip-bad): line 3: it names no file; ")


def test_a_long_list_of_mistakes_is_cut_and_counted(tmp_path):
    bad = BadRows()
    open_table(write(tmp_path, "file,label\na.wav,bus\nb.wav,park\n" + "a.wav,bus\n" * 100), None, bad)
    text = told(bad.told)
    assert text.count("listed again") == 12
    assert text.endswith("; and 88 more. Mend the list, or give --skip-bad.")


def test_rows_can_be_chosen_by_a_column_that_says_yes(tmp_path):
    path = write(tmp_path, "file,label,esc10\na.wav,dog,True\nb.wav,cat,False\nc.wav,rain,TRUE\n")
    assert open_table(path, {"only": "esc10"}).classes == ("dog", "rain")
    path = write(tmp_path, "file,label,esc10\na.wav,dog,no\n")
    assert "no row says yes in the column 'esc10'" in told(lambda: open_table(path, {"only": "esc10"}))


def test_a_quote_that_is_never_closed_swallows_no_rows(tmp_path):
    path = write(tmp_path, 'file,label\na.wav,bus\n"b.wav,park\nc.wav,park\nd.wav,bus\n')
    assert told(lambda: open_table(path)) == f"{path}, line 5: a quote is opened and never closed."


@pytest.mark.parametrize("rest", ["", '"'], ids=["plain", "quoted"])
def test_a_header_that_comes_twice_is_refused(tmp_path, rest):
    path = write(tmp_path, f"file,label,label\na.wav,{rest}bus{rest},1\nb.wav,park,2\n")
    assert told(lambda: open_table(path)) == f"{path} has the column 'label' more than once; name them apart."


def test_one_clip_in_two_spellings_is_listed_twice(tmp_path):
    bad = BadRows()
    open_table(write(tmp_path, "file,label\na.wav,bus\nb.wav,park\n./a.wav,bus\nc//d.wav,park\n"), None, bad)
    assert "one row that cannot be used: line 4: the clip a.wav is listed again, first in line 2" in told(bad.told)


def test_a_list_of_one_class_names_itself(tmp_path):
    path = write(tmp_path, "file,label\na.wav,bus\nb.wav,bus\n")
    assert told(lambda: open_table(path)) == f"{path} has one class only ('bus'); a classifier takes two or more."


def test_labels_are_not_needed_where_none_are_asked_for(tmp_path):
    made = open_table(write(tmp_path, "filename\nb.wav\na.wav\n"), labelled=False)
    assert (made.files.tolist(), made.target.tolist(), made.classes) == (["b.wav", "a.wav"], [-1, -1], ())
    made = open_table(write(tmp_path, "filename,label,device\nb.wav,dog,s1\na.wav,,s2\n"), labelled=False)
    assert (made.target.tolist(), made.device.tolist()) == ([-1, -1], ["s1", "s2"])
    made = open_table(write(tmp_path, "filename,label\nb.wav,dog\na.wav,dog\nc.wav,cat\n"), labelled=False)
    assert (made.target.tolist(), made.classes) == ([1, 1, 0], ("cat", "dog"))
