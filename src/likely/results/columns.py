"""Columns of trials in a CSV file, which comes back with the types that it was written with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from likely.errors import FileFormatError

TRUTH = {"True": True, "False": False}


def column_types(data: pd.DataFrame) -> dict[str, Any]:
    """Return name -> the type of the column, or its categories.

    Types are "number", "integer", "boolean", "boolean or missing" and "text".
    """
    return {str(name): _type(data[name]) for name in data.columns}


def _type(column: pd.Series[Any]) -> Any:
    dtype = column.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        kind = _type(pd.Series(dtype.categories))
        categories = [str(c) for c in dtype.categories]
        return {"categories": categories, "of": kind, "ordered": bool(dtype.ordered)}
    if pd.api.types.is_bool_dtype(dtype):
        return "boolean or missing" if column.isna().any() else "boolean"
    if pd.api.types.is_integer_dtype(dtype) and not column.isna().any():
        return "integer"
    return "number" if pd.api.types.is_numeric_dtype(dtype) else "text"


def read_columns(path: Path, types: dict[str, Any]) -> pd.DataFrame:
    """Read the columns of a CSV file.

    Raises:
        FileFormatError: if the file is missing or does not fit the types.
    """
    if not path.is_file():
        raise FileFormatError(f"there is no file {path}.")
    try:
        text = pd.read_csv(path, dtype=str, keep_default_na=False)
    except (OSError, ValueError) as error:
        raise FileFormatError(f"{path} is damaged: {error}") from error
    if list(text.columns) != list(types):
        raise FileFormatError(f"{path} has columns {list(text.columns)}, not {list(types)}.")
    try:
        columns = {name: _read(text[name], kind) for name, kind in types.items()}
    except (ValueError, KeyError, TypeError) as error:
        raise FileFormatError(f"{path} is damaged: {error}") from error
    return pd.DataFrame(columns)


def _read(text: pd.Series[Any], kind: Any) -> Any:
    if isinstance(kind, dict):
        categories = list(_read(pd.Series(kind["categories"], dtype=str), kind["of"]))
        found = dict(zip(kind["categories"], categories, strict=True))
        values = [found[value] if value != "" else None for value in text]
        return pd.Categorical(values, categories=categories, ordered=kind["ordered"])
    if kind == "boolean":
        return np.array([TRUTH[value] for value in text])
    if kind == "boolean or missing":
        return pd.array([None if v == "" else TRUTH[v] for v in text], dtype="boolean")
    if kind == "integer":
        return text.astype(np.int64)
    if kind == "number":
        return text.where(text != "", "nan").astype(np.float64)
    return text.where(text != "", np.nan)
