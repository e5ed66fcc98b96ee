"""What is read back of an audit log that crashes and hands have been at."""

import json
from pathlib import Path

import pytest

from components.pusher.audit_log import PUSHED, AuditLog


@pytest.mark.parametrize(
    "garbage",
    [
        b'{"event": "pushed", "version": 9223372036854775808}',
        b'{"event": "pushed", "version": true}',
        b'{"event": "pushed", "version": -1}',
        b'{"event": "pushed", "version": 1.5}',
        b'{"event": "pushed", "version": "1"}',
        b'{"event": {}, "version": 1}',
        b'{"version": 1}',
        b'{"event": "pushed", "vers',
        b"[" * 200_000,
        b"\xff",
        b"7",
        b"",
    ],
)
def test_a_line_that_is_no_event_is_left_out(tmp_path, garbage):
    path = tmp_path / "audit.jsonl"
    path.write_bytes(garbage + b"\n")
    AuditLog(path).add(PUSHED, 2**63 - 1)
    assert [event["version"] for event in AuditLog(path).events()] == [2**63 - 1]


@pytest.mark.parametrize("separator", ["\u2028", "\u2029", "\x85", "\x0c"])
def test_a_text_with_a_line_separator_stays_on_its_line(tmp_path, separator):
    path: Path = tmp_path / "audit.jsonl"
    reason = f"worse on{separator}Mondays"
    AuditLog(path).add(PUSHED, 7, forced={"reason": reason, "by": "ana"})
    (event,) = AuditLog(path).events()
    assert event["forced"]["reason"] == reason
    assert json.loads(path.read_text(encoding="utf-8")) == event
