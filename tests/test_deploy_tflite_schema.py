"""Our constants of the .tflite schema equal those that flatc generated from the published one."""

import inspect
import re
from enum import IntEnum

import pytest
from tflite_interpreter import tflite_schema

from sparse_search.deploy.tflite import schema

ENUMERATIONS = (
    schema.TensorType,
    schema.BuiltinOperator,
    schema.Padding,
    schema.ActivationFunctionType,
)
TABLES = (
    schema.Model,
    schema.OperatorCode,
    schema.SubGraph,
    schema.Tensor,
    schema.QuantizationParameters,
    schema.Operator,
    schema.Buffer,
    schema.Conv2DOptions,
    schema.DepthwiseConv2DOptions,
    schema.Pool2DOptions,
    schema.FullyConnectedOptions,
    schema.AddOptions,
    schema.ConcatenationOptions,
    schema.ReshapeOptions,
)


class SlotRecorder:
    """Stands for a flatbuffer builder; keeps the slot that a generated function names."""

    slot = -1

    def __getattr__(self, name: str):
        """Any Prepend...Slot."""

        def prepend(slot: int, value: object, default: object) -> None:
            self.slot = slot

        return prepend


@pytest.mark.parametrize("ours", TABLES)
def test_every_field_is_at_its_slot(ours: type[IntEnum]) -> None:
    """The generated function that writes a field writes it at our slot."""
    published = tflite_schema()
    for field in ours:
        words = field.name.split("_")
        name = f"{ours.__name__}Add{''.join(word.capitalize() for word in words)}"
        recorder = SlotRecorder()
        getattr(published, name)(recorder, 0)
        assert recorder.slot == field.value, name


@pytest.mark.parametrize("ours", ENUMERATIONS)
def test_every_number_of_an_enumeration_is_the_published_one(ours: type[IntEnum]) -> None:
    """Operators, types, padding, activations."""
    published = getattr(tflite_schema(), ours.__name__)
    assert {m.name: m.value for m in ours} == {m.name: getattr(published, m.name) for m in ours}


def test_every_table_of_options_has_its_number() -> None:
    """The type of the union names the table that is written."""
    names = {
        re.sub("[^a-z0-9]", "", name.lower()): value
        for name, value in inspect.getmembers(tflite_schema().BuiltinOptions)
        if isinstance(value, int)
    }
    for member in schema.BuiltinOptions:
        assert names[member.name.replace("_", "").lower()] == member.value
