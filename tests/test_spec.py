"""Spec: refused at once when it names what is not there, built from the inside out, changed by `--set` paths."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pytest
from torch import nn
from torch.optim import SGD, RAdam

from tinyscene.errors import SettingError, missing_extra, unknown
from tinyscene.spec import Spec, changed, snake_case


class Knob:
    def __init__(self, size: int, gain: float = 1.0, mode: str | None = None, name: str = "knob"):
        self.size, self.gain, self.mode, self.name = size, gain, mode, name


class Board:
    def __init__(
        self,
        knobs: tuple[Knob, ...],
        first: Knob | None = None,
        widths: tuple[int, ...] = (8, 16),
        on: tuple[bool, ...] = (True, False),
        rates: tuple[float, ...] = (0, 0.5),
        rounds: int | None = None,
        level: float = 0,
        live: bool = True,
        title: str = "board",
    ):
        self.knobs, self.first, self.widths = knobs, first, widths


def anything(*args: int, **more: int) -> None: ...


class Trainer:
    def __init__(self, optimizer: Spec, teacher: Spec | None = None, knob: Knob | None = None):
        self.optimizer, self.teacher, self.knob = optimizer, teacher, knob


@dataclass(frozen=True)
class Frame:
    board: Spec
    margin: float = 1.0


BOARD = Spec(Board, knobs=(Spec(Knob, size=1), Spec(Knob, size=2, name="right")), first=Spec(Knob, size=3))


def refused(path: str, text: str) -> str:
    with pytest.raises(SettingError) as caught:
        changed("sys", BOARD, path, text)
    return str(caught.value)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (
            lambda: Spec(Knob, sise=1),
            "Knob has no argument 'sise'; it takes size, gain, mode, name. Did you mean 'size'?",
        ),
        (lambda: Spec(Knob, size=1).but(gian=2.0), "Did you mean 'gain'?"),
        (lambda: Spec(Knob, size=1).build(zzz=2), "Knob has no argument 'zzz'; it takes size, gain, mode, name."),
        (lambda: Spec(anything, args=1), "anything has no argument 'args'; it takes none."),
    ],
)
def test_unknown_names_are_refused_at_once_with_the_closest_match(make, text):
    with pytest.raises(SettingError) as caught:
        make()
    assert str(caught.value).endswith(text)


def test_no_match_is_offered_where_none_is_close():
    assert "Did you mean" not in str(unknown("A", "field", "qqqq", ["width", "height"]))


def test_missing_extra_says_how_to_get_it():
    assert str(missing_extra("train", "train", "torch")) == (
        "train needs the extra 'train' (no module named torch): pip install '.[train]' in a clone of tinyscene"
    )


def test_build_makes_inner_specs_first_alone_and_in_tuples():
    board = BOARD.build()
    assert [type(knob) for knob in (*board.knobs, board.first)] == [Knob] * 3
    assert [knob.size for knob in (*board.knobs, board.first)] == [1, 2, 3]


def test_build_makes_a_new_object_each_time():
    assert BOARD.build().first is not BOARD.build().first


def test_build_takes_what_only_the_data_knows():
    assert Spec(Knob, gain=2.0).build(size=7).size == 7
    assert Spec(Knob, size=1).build(size=7).size == 7


def test_arguments_annotated_as_spec_stay_unbuilt():
    optimizer = Spec(SGD, lr=0.1)
    made = Spec(Trainer, optimizer=optimizer, teacher=Spec(Knob, size=1), knob=Spec(Knob, size=2)).build()
    assert made.optimizer is optimizer
    assert isinstance(made.teacher, Spec)
    assert isinstance(made.knob, Knob)
    parameters = list(nn.Linear(2, 2).parameters())
    assert made.optimizer.build(params=parameters).param_groups[0]["params"] == parameters


def test_but_leaves_the_original_as_it_was():
    one = Spec(Knob, size=1)
    assert one.but(size=2).numbers == {"size": 2}
    assert one.numbers == {"size": 1}


def test_specs_are_equal_when_class_and_numbers_are():
    assert Spec(Knob, size=1, gain=2.0) == Spec(Knob, gain=2.0, size=1)
    assert Spec(Knob, size=1) != Spec(Knob, size=2)
    assert Spec(Knob, size=1) != Spec(Trainer, optimizer=1)
    with pytest.raises(TypeError):
        hash(Spec(Knob, size=1))


@pytest.mark.parametrize(
    ("name", "snake"),
    [("LogMel", "log_mel"), ("DSMN", "dsmn"), ("SpecAugment", "spec_augment"), ("Int8", "int8"), ("ECANet", "eca_net")],
)
def test_names_become_snake_case(name, snake):
    assert snake_case(name) == snake


def test_a_number_called_name_wins():
    assert Spec(Knob, size=1).name == "knob"
    assert Spec(Knob, size=1, name="left").name == "left"


def test_plain_is_json_of_what_was_written_and_no_more():
    assert json.loads(json.dumps(BOARD.plain())) == {
        "class": "Board",
        "knobs": [{"class": "Knob", "size": 1}, {"class": "Knob", "size": 2, "name": "right"}],
        "first": {"class": "Knob", "size": 3},
    }


def test_constants_fill_in_the_defaults_at_every_depth():
    constants = json.loads(json.dumps(BOARD.constants()))
    assert constants["widths"] == [8, 16]
    assert constants["first"] == {"class": "Knob", "size": 3, "gain": 1.0, "mode": None, "name": "knob"}
    assert constants["knobs"][1] == {"class": "Knob", "size": 2, "gain": 1.0, "mode": None, "name": "right"}


@pytest.mark.parametrize(
    ("path", "text", "found"),
    [
        ("first.gain", "0.5", lambda s: s.numbers["first"].numbers["gain"]),
        ("knobs.knob.gain", "0.5", lambda s: s.numbers["knobs"][0].numbers["gain"]),
        ("knobs.right.gain", "0.5", lambda s: s.numbers["knobs"][1].numbers["gain"]),
        ("knobs.1.gain", "0.5", lambda s: s.numbers["knobs"][1].numbers["gain"]),
    ],
)
def test_a_path_enters_specs_and_tuples_by_name_and_by_index(path, text, found):
    assert found(changed("sys", BOARD, path, text)) == 0.5


def test_a_path_changes_nothing_else():
    made = changed("sys", BOARD, "knobs.1.gain", "0.5")
    assert made.numbers["knobs"][0] == BOARD.numbers["knobs"][0]
    assert made.numbers["first"] == BOARD.numbers["first"]
    assert "gain" not in BOARD.numbers["knobs"][1].numbers


def test_a_path_enters_dataclasses():
    frame = Frame(BOARD)
    assert changed("sys", frame, "margin", "2") == Frame(BOARD, 2.0)
    assert changed("sys", frame, "board.level", "3").board.numbers["level"] == 3.0


@pytest.mark.parametrize(
    ("field", "text", "value"),
    [
        ("widths", "4,5,6", (4, 5, 6)),
        ("widths", "(4, 5)", (4, 5)),
        ("widths", "[4]", (4,)),
        ("on", "true,False,true", (True, False, True)),
        ("rates", "0.25,1", (0.25, 1.0)),
        ("rounds", "3", 3),
        ("rounds", "none", None),
        ("level", "0.25", 0.25),  # written 0 where a float is meant
        ("level", "1e-3", 1e-3),
        ("live", "false", False),
        ("title", "1.5", "1.5"),
        ("first.mode", "slaney", "slaney"),
        ("knobs", "()", ()),
    ],
)
def test_a_text_becomes_a_value_of_the_kind_that_is_asked_for(field, text, value):
    made = changed("sys", BOARD, field, text)
    for name in field.split("."):
        made = made.numbers[name]
    assert made == value
    assert type(made) is type(value)
    if isinstance(value, tuple):
        assert [type(item) for item in made] == [type(item) for item in value]


def test_a_text_field_that_may_be_none_can_be_set_to_none_and_back():
    spec = Spec(Knob, size=1, mode="slaney")
    off = changed("sys", spec, "mode", "None")
    assert off.numbers["mode"] is None
    assert changed("sys", off, "mode", "htk").numbers["mode"] == "htk"


def test_the_zeros_of_torch_optimisers_take_fractions():
    assert changed("sys", Spec(RAdam, lr=1e-3), "weight_decay", "0.01").numbers["weight_decay"] == 0.01
    assert changed("sys", Spec(RAdam, lr=1e-3), "lr", "1").numbers["lr"] == 1.0


@pytest.mark.parametrize(
    ("path", "text", "message"),
    [
        ("first.size", "1.5", "sys.first.size takes a whole number (now 3); '1.5' came."),
        ("first.size", "none", "sys.first.size takes a whole number (now 3); 'none' came."),
        ("first.size", "true", "sys.first.size takes a whole number (now 3); 'true' came."),
        ("first.gain", "loud", "sys.first.gain takes a number (now 1.0); 'loud' came."),
        ("first.gain", "true", "sys.first.gain takes a number (now 1.0); 'true' came."),
        ("live", "1", "sys.live takes true or false (now True); '1' came."),
        ("rounds", "2.5", "sys.rounds takes a whole number (now None); '2.5' came."),
        ("widths", "4,5.5", "sys.widths[1] takes a whole number (now 16); '5.5' came."),
        ("widths", "wide", "sys.widths[0] takes a whole number (now 8); 'wide' came."),
        ("first", "3", "sys.first is a part, not a number; set one of its fields: size, gain, mode, name."),
        ("knobs", "3", "sys.knobs[0] is a part, not a number; set one of its fields: size, gain, mode, name."),
        ("first.sise", "3", "sys.first has no field 'sise'; it takes size, gain, mode, name. Did you mean 'size'?"),
        ("knobs.rihgt.size", "3", "sys.knobs has no part 'rihgt'; it takes knob, right. Did you mean 'right'?"),
        ("knobs.2.size", "3", "sys.knobs has no part '2'; it takes knob, right."),
        ("level.deep", "3", "sys.level is 0 and has no fields; it cannot be entered with '.deep'."),
        ("", "3", "sys is a part, not a number; set one of its fields: knobs, first"),
    ],
)
def test_a_path_or_text_that_does_not_fit_is_told(path, text, message):
    assert refused(path, text).startswith(message)
