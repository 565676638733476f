"""Date columns as numbers: skrub's DatetimeEncoder (year, minute; the other parts as circles) and seconds."""

from __future__ import annotations

import re
import zoneinfo
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from automl.errors import DataError
from automl.preprocessing.saved_encoder import dump, load
from automl.preprocessing.table import distinct, is_date

LIKE_A_DATE = r"\s*\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}"
SAMPLE = 1_000  # distinct texts looked at for their format
NEARLY_ALL = 0.95  # share of the values that must read as dates
TRUSTED = ("skrub._datetime_encoder.DatetimeEncoder", "skrub._datetime_encoder._CircularEncoder")


@dataclass(frozen=True)
class Dates:
    """A fitted date column.

    Attributes
    ----------
    encoder: skrub's encoder.
    form: how the dates are written, in the words of strptime; None if they came as dates.
    zone: name of the time zone that other zones are converted to; None if the dates had none.
    """

    encoder: Any
    form: str | None
    zone: str | None

    @property
    def features(self) -> tuple[str, ...]:
        """What the numbers of `transform` are called."""
        return (*(name.removeprefix("date_") for name in self.encoder.all_outputs_), "seconds")

    def transform(self, column: pd.Series[Any], name: str) -> npt.NDArray[np.float64]:
        """Numbers (n, features), NaN where there is no date."""
        moments = read_dates(column, name, self.form, self.zone)
        return np.column_stack([self.encoder.transform(moments).to_numpy(dtype=np.float64), _seconds(moments)])

    def dump(self) -> npt.NDArray[np.uint8]:
        return dump(self.encoder)


def load_dates(saved: npt.NDArray[np.uint8], form: str | None, zone: str | None) -> Dates:
    """The date column that was saved; loads nothing but its own types."""
    return Dates(load(saved, TRUSTED), form, zone)


def fit_dates(column: pd.Series[Any], name: str, form: str | None = None) -> Dates:
    """Fit on a column of dates, or of text written in `form`.

    Seconds are counted here and not by skrub, which counts them in float32: steps of two minutes.
    """
    from skrub import DatetimeEncoder

    zone = _zone(column) if form is None else None
    encoder = DatetimeEncoder(
        resolution="minute", add_weekday=True, add_total_seconds=False, periodic_encoding="circular"
    )
    encoder.fit_transform(read_dates(column, name, form, zone))
    return Dates(encoder, form, zone)


def date_format(values: list[Any]) -> str | None:
    """The format that nearly all of these distinct texts are written in as dates, or None."""
    sample = [value for value in values[:: max(1, len(values) // SAMPLE)] if isinstance(value, str)]
    alike = [value for value in sample if re.match(LIKE_A_DATE, value)]
    if not alike or len(alike) < NEARLY_ALL * len(sample):
        return None
    from skrub import ToDatetime
    from skrub.core import RejectColumn

    try:
        form = ToDatetime().fit(pd.Series(alike, dtype=object)).format_
    except RejectColumn:
        return None
    read = pd.to_datetime(pd.Series(sample, dtype=object), format=form, errors="coerce", utc=True)
    return form if read.notna().mean() >= NEARLY_ALL else None


def read_dates(column: pd.Series[Any], name: str, form: str | None, zone: str | None) -> pd.Series[Any]:
    """A column as clock time without a zone, NaT where it is no date.

    Dates of another zone are converted to `zone`, or to UTC if the dates of fit had none; dates without a zone
    are taken to be local.
    """
    if is_date(column.dtype) and isinstance(column.dtype, np.dtype | pd.DatetimeTZDtype):
        moments = column
    else:
        if pd.api.types.is_numeric_dtype(column.dtype) and column.notna().any():
            raise DataError(
                f"column {name!r} is of type {column.dtype} but was fitted as dates; convert it as it was for fit"
            )
        codes, values = distinct(column.astype(object), name)
        parsed = pd.to_datetime(
            pd.Series([*values, pd.NaT], dtype=object), format=form, errors="coerce", utc=_mixed(values, form)
        )
        moments = parsed.iloc[codes]
    if moments.dt.tz is not None:
        moments = moments.dt.tz_convert(zone or "UTC").dt.tz_localize(None)
    return moments.rename("date").reset_index(drop=True)


def _mixed(values: list[Any], form: str | None) -> bool:
    """Whether any value has a zone or offset; pandas then wants to hear of UTC."""
    return "%z" in (form or "").lower() or any(getattr(value, "tzinfo", None) is not None for value in values)


def _zone(column: pd.Series[Any]) -> str | None:
    zone = getattr(getattr(column.dtype, "pyarrow_dtype", column.dtype), "tz", None)
    if zone is None:
        return None
    return str(zone) if str(zone) in zoneinfo.available_timezones() else "UTC"


def _seconds(moments: pd.Series[Any]) -> npt.NDArray[np.float64]:
    """(n,) since 1970, exact to the microsecond for every year that a datetime can hold."""
    counts = moments.to_numpy().astype("datetime64[us]").astype(np.int64) / 1e6
    return np.where(moments.isna(), np.nan, counts)
