"""What ingest writes as a step's time, read back."""

from datetime import datetime, timedelta, timezone

# From here on (times after 1973) a `step_time` counts micro- or nanoseconds since 1970, else it is a number.
MICROSECONDS_FROM, NANOSECONDS_FROM = 10**14, 10**17


def moment_text(step_time: int) -> str:
    """A `step_time` in words: ISO 8601 in UTC where it counts from 1970, else the number itself."""
    if step_time < MICROSECONDS_FROM:
        return str(step_time)
    microseconds = step_time // 1000 if step_time >= NANOSECONDS_FROM else step_time
    moment = datetime(1970, 1, 1, tzinfo=timezone.utc) + timedelta(microseconds=microseconds)
    text = moment.strftime("%Y-%m-%dT%H:%M:%S")
    return text.removesuffix(":00").removesuffix("T00:00")
