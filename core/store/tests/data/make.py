#!/usr/bin/env python3
"""Makes the Parquet files beside this script, with another program than the one under test.

They were made by pyarrow 26.0.1 (`pip install pyarrow`, `python make.py`). `tests/parquet.rs` states what they hold.
"""

import datetime
import decimal
import pathlib

import pyarrow as pa
import pyarrow.parquet as pq

HERE = pathlib.Path(__file__).parent
UTC = datetime.timezone.utc
WHEN = datetime.datetime(2026, 1, 31, 12, 30, 15, 123456, tzinfo=UTC)
EARLY = datetime.datetime(1969, 12, 31, 23, 59, 59, 999000, tzinfo=UTC)


def kinds() -> pa.Table:
    """One column for each type that can be read; three rows: a value, an odd one, a missing one."""
    columns = {
        "boolean": pa.array([True, False, None]),
        "int8": pa.array([1, -128, None], pa.int8()),
        "int32": pa.array([1, -(2**31), None], pa.int32()),
        "int64": pa.array([1, -(2**63), None], pa.int64()),
        "uint32": pa.array([1, 2**32 - 1, None], pa.uint32()),
        "uint64": pa.array([1, 2**63 - 1, None], pa.uint64()),
        "float": pa.array([0.5, float("nan"), None], pa.float32()),
        "double": pa.array([0.1, float("inf"), None], pa.float64()),
        "text": pa.array(["plain", 'Zürich, "q"\n東京 🦀', None]),
        "large_text": pa.array(["plain", "", None], pa.large_string()),
        "category": pa.array(["a", "b", None]).dictionary_encode(),
        "date": pa.array([WHEN.date(), datetime.date(1969, 12, 31), None]),
        "millis": millis(),
        "micros": pa.array([WHEN, EARLY, None], pa.timestamp("us", tz="UTC")),
        "nanos": pa.array([1769862615123456789, -1, None], pa.timestamp("ns")),
        "decimal_9": pa.array([decimal.Decimal("12.34"), decimal.Decimal("-0.01"), None], pa.decimal128(9, 2)),
        "decimal_18": pa.array([decimal.Decimal("150.75"), decimal.Decimal("-9999999999999.999"), None], pa.decimal128(18, 3)),
        "decimal_38": pa.array([decimal.Decimal("1e20"), decimal.Decimal("-123456789012345678901234567890.12345678"), None], pa.decimal128(38, 8)),
        "required": pa.array([1, 2, 3], pa.int64()),
    }
    fields = [pa.field(name, column.type, nullable=name != "required") for name, column in columns.items()]
    return pa.table(list(columns.values()), schema=pa.schema(fields))


def millis() -> pa.Array:
    """Timestamps of whole milliseconds, local: they are read as UTC."""
    whole = [1769862615123, -1, None]
    return pa.array(whole, pa.timestamp("ms"))


def many() -> pa.Table:
    """Several batches, row groups and pages, so that their joints are crossed."""
    numbers = range(3000)
    return pa.table({"number": pa.array(numbers, pa.int64()), "sparse": pa.array([n if n % 7 == 0 else None for n in numbers], pa.int32())})


def main() -> None:
    pq.write_table(kinds(), HERE / "kinds.parquet", compression="zstd")
    # Decimals as integers, pages of the second version, no statistics.
    pq.write_table(
        kinds(), HERE / "kinds_v2.parquet", compression="gzip", data_page_version="2.0", store_decimal_as_integer=True, write_statistics=False
    )
    # As older programs write: timestamps of 96 bits, no names of logical types.
    legacy = pa.table({"time": pa.array([WHEN, EARLY, None], pa.timestamp("us")), "bytes": pa.array([b"plain", b"\xff", None])})
    pq.write_table(legacy, HERE / "legacy.parquet", use_deprecated_int96_timestamps=True, version="1.0", compression="snappy")
    pq.write_table(many(), HERE / "many.parquet", row_group_size=1100, data_page_size=512, compression="zstd")
    nested = pa.table({"amount": [1.0], "items": [[1, 2]]})
    pq.write_table(nested, HERE / "nested.parquet")
    pq.write_table(pa.table({"id": [1], "clock": pa.array([1], pa.time64("us"))}), HERE / "time_of_day.parquet")
    pq.write_table(pa.table({"id": pa.array([1, 2**64 - 1, 3], pa.uint64())}), HERE / "too_large.parquet")


if __name__ == "__main__":
    main()
