"""What StatisticsGen, SchemaGen and ExampleValidator compute, without their pipelines."""

from collections.abc import Sequence

import pyarrow as pa
import tensorflow_data_validation as tfdv
from tensorflow_data_validation.statistics.stats_impl import generate_statistics_in_memory
from tensorflow_metadata.proto.v0 import statistics_pb2
from tfx_bsl.coders.example_coder import ExamplesToRecordBatchDecoder


def statistics_of(records: Sequence[bytes]) -> statistics_pb2.DatasetFeatureStatisticsList:
    """TFDV's statistics of serialized tf.Examples."""
    batch = (
        ExamplesToRecordBatchDecoder().DecodeBatch(list(records))
        if records
        else pa.record_batch([], pa.schema([]))
    )
    return generate_statistics_in_memory(batch, tfdv.StatsOptions())
