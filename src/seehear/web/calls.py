"""Calls of the page's functions: the function exists, and its values are of the fields' types."""

from collections.abc import Callable, Mapping
from typing import Any

import gradio as gr
from gradio.data_classes import FileData
from pydantic import ValidationError

from seehear.web.refusals import Refusal


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_file(value: Any) -> bool:
    if not isinstance(value, dict) or value.get("meta") != {"_type": "gradio.FileData"}:
        return False
    try:
        return bool(FileData(**value))
    except (ValidationError, TypeError):
        return False


# By the class of a field: whether it can have a value.
_IS_VALUE: Mapping[type, Callable[[Any], bool]] = {
    gr.Radio: lambda value: isinstance(value, str),
    gr.Dropdown: lambda value: isinstance(value, str),
    gr.Textbox: lambda value: value is None or isinstance(value, str),
    gr.Checkbox: lambda value: value is None or isinstance(value, bool),
    gr.Number: lambda value: value is None or _is_number(value),
    gr.Slider: _is_number,
    gr.File: lambda value: value is None or _is_file(value),
}


class Calls:
    """The functions that visitors may call, and the fields that they take."""

    def __init__(self, page: gr.Blocks):
        self._fields = {
            index: tuple(type(field) for field in function.inputs)
            for index, function in page.fns.items()
            if function.fn is not None  # else it only cancels others, by another route
        }

    def check(self, content: Mapping[str, Any]) -> None:
        """Refuse a call that Gradio would answer with an internal error.

        Raises:
            Refusal: No such function, or values of the wrong number or type.
        """
        index = content.get("fn_index")
        if not isinstance(index, int) or isinstance(index, bool) or index not in self._fields:
            raise Refusal(400, f"expected fn_index of a function of this page, got {index!r:.40}")
        fields, data = self._fields[index], content.get("data")
        if not isinstance(data, list) or (fields and len(data) != len(fields)):
            raise Refusal(400, f"expected data to be a list of {len(fields)} values")
        for k, (field, value) in enumerate(zip(fields, data, strict=False)):
            if not _IS_VALUE[field](value):
                raise Refusal(
                    400, f"expected value {k + 1} for a {field.__name__}, got {value!r:.40}"
                )
