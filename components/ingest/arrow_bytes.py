"""Arrow tables as bytes that every Beam runner can carry."""

import pyarrow as pa


def pack(rows: pa.RecordBatch | pa.Table) -> bytes:
    """Rows as bytes."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema) as writer:
        writer.write(rows)
    packed: bytes = sink.getvalue().to_pybytes()
    return packed


def unpack(packed: bytes) -> pa.Table:
    """What `pack` packed."""
    return pa.ipc.open_stream(packed).read_all()
