"""The texts on the wire of the UDP sockets: what a request says, and how a reply is written.

Pure functions: they know no port, no clock and no thread.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

#: Characters that divide the parts of a request or reply, and so may stand in no codename.
BAD_CHARS = ("#", ",", ";", ":", "&")
#: The answer to what is not understood. The three M are on the wire, and clients compare with them.
UNKNOWN_COMMAND = "UNKNOWN_COMMMAND"
#: What stands in place of a point that is older than its time-out.
OLD_DATA = "OLD_DATA"
#: The beginnings of what a push socket answers, before a ``#``.
PUSH_ERROR, PUSH_ACK, PUSH_EXCEP, PUSH_RET = "ERROR", "ACK", "EXCEP", "RET"

#: The most bytes that fit into a UDP datagram over IPv4.
LARGEST_DATAGRAM = 65507


class RequestRefused(ValueError):
    """A request that is not carried out; its text goes to the client, behind ``ERROR#``."""


def bool_translate(string: str) -> bool:
    """Return the truth value that ``True`` or ``False`` stands for.

    Raises:
        ValueError: It is another text.
    """
    if string not in ("True", "False"):
        raise ValueError(f"{string!r} is neither 'True' nor 'False'")
    return string == "True"


#: How the values of ``raw_wn#`` are read, by the name of their type.
TYPE_FROM_STRING: dict[str, Callable[[str], Any]] = {"int": int, "float": float, "str": str, "bool": bool_translate}


def plain(value: object) -> object:
    """Return a value as something that JSON knows: NumPy's numbers as numbers, the unknown as its text."""
    if hasattr(value, "tolist"):
        return value.tolist()
    return list(value) if isinstance(value, set | frozenset) else str(value)


def json_text(value: object) -> str:
    """Return a value as JSON; one that JSON cannot express is the JSON string of its text."""
    try:
        return json.dumps(value, default=plain)
    except (TypeError, ValueError, RecursionError):  # keys that are no text, a list that contains itself
        return json.dumps(str(value))


def json_array(texts: Iterable[str]) -> str:
    """Return the JSON array of elements that are JSON already."""
    return f"[{', '.join(texts)}]"


def json_object(texts: Mapping[str, str]) -> str:
    """Return the JSON object of values that are JSON already."""
    return f"{{{', '.join(f'{json.dumps(name)}: {text}' for name, text in texts.items())}}}"


def encode(text: str) -> bytes:
    """Return a reply as bytes; half of a surrogate pair, which UTF-8 cannot express, as an escape with backslash."""
    return text.encode("utf-8", errors="backslashreplace")


def parse_json(text: str) -> dict[str, Any]:
    """Return the data set of a ``json_wn#`` request.

    Raises:
        RequestRefused: It is no JSON, or not an object.
    """
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):  # also a number with more digits than Python reads, or too deep nesting
        raise RequestRefused(f"The string '{text}' could not be decoded as JSON") from None
    if not isinstance(data, dict):
        raise RequestRefused(f"The object '{data}' returned after decoding the JSON string is not a dict")
    return data


def parse_raw(text: str) -> dict[str, Any]:
    """Return the data set of a ``raw_wn#`` request: ``name:type:value,...`` with semicolons between.

    Raises:
        RequestRefused: A part is not of this form, or a value not of its type.
    """
    data = {}
    for part in text.split(";"):
        fields = part.split(":")
        if len(fields) != 3:
            raise RequestRefused(f"The data part '{part}' did not match the expected format of 3 parts divided by ':'")
        name, type_name, values_text = fields
        if type_name not in TYPE_FROM_STRING:
            raise RequestRefused(f"The data type '{type_name}' is unknown. Only {TYPE_FROM_STRING.keys()} are allowed")
        try:
            values = [TYPE_FROM_STRING[type_name](value) for value in values_text.split(",")]
        except ValueError as error:
            raise RequestRefused(f"Unable to convert values to '{type_name}'. Error is: {error}") from None
        data[name] = values[0] if len(values) == 1 else values
    return data


def format_returned(value: object, return_format: str) -> str:
    """Return what a callback returned as ``json``, ``raw`` or ``string``, without the prefix.

    Raises:
        ValueError: The value has no raw form; the text is what the client gets.
    """
    if return_format == "json":
        return json_text(value)
    if return_format == "string":
        return str(value)
    try:
        return _raw(value)
    except ValueError as error:
        raise ValueError(f"Raw conversion failed with message:{error}") from None


def _raw(value: object) -> str:
    if value is None:
        return "None"
    if isinstance(value, dict):
        return ";".join(f"{name}:{_typed_row(row)}" for name, row in value.items())
    if not isinstance(value, list):
        raise ValueError("Return value must be a dict or list with return format 'raw'")
    rows = value if value and isinstance(value[0], list) else [value]
    type_name = _type_name([item for row in rows for item in (row if isinstance(row, list) else [row])])
    return f"{type_name}:{'&'.join(_row(row) for row in rows)}"


def _typed_row(row: object) -> str:
    items = row if isinstance(row, list) else [row]
    return f"{_type_name(items)}:{_row(items)}"


def _row(row: object) -> str:
    return ",".join(str(item) for item in row) if isinstance(row, list) else str(row)


def _type_name(items: list[object]) -> str:
    # A client looks the name up among int, float, str and bool: a number of NumPy's is called what it is a kind of.
    names = {type(plain(item) if hasattr(item, "tolist") else item).__name__ for item in items}
    if len(names) > 1:
        raise ValueError("With return format raw, value in list must have same type")
    if not names:
        raise ValueError("With return format raw, a list must not be empty")
    return names.pop()
