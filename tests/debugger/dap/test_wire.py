"""Messages of the protocol: complete ones are read, damaged ones reported and skipped."""

import io
import json

import pytest

from tinygrad_pool.debugger.dap.wire import LONGEST, Request, Wire, request_in


def frame(body):
    return b"Content-Length: %d\r\n\r\n%b" % (len(body), body)


def ask(command, seq=1, **arguments):
    return frame(json.dumps({"seq": seq, "command": command, "arguments": arguments}).encode())


def heard(data):
    return [*Wire(io.BytesIO(data), io.BytesIO()).requests()]


def test_requests_are_read_one_after_another():
    sent = ask("threads") + ask("scopes", seq=2, frameId=3)
    assert heard(sent) == [Request("threads", {}, 1), Request("scopes", {"frameId": 3}, 2)]


def test_other_headers_and_any_case_are_accepted():
    body = b'{"seq": 7, "command": "threads"}'
    header = b"Content-Type: x\r\ncontent-length:%d\r\n\r\n" % len(body)
    assert heard(header + body) == [Request("threads", {}, 7)]


@pytest.mark.parametrize(
    ("damaged", "report"),
    [
        (b"Content-Length: x\r\n\r\n", "a message without a valid length: [b'Content-Length: x']"),
        (
            b"Content-Length: -4\r\n\r\n",
            "a message without a valid length: [b'Content-Length: -4']",
        ),
        (b"Content-Length: %d\r\n\r\n" % (LONGEST + 1), "a message without a valid length"),
        (b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n", "a message without a valid length"),
        (b"nonsense\r\n\r\n", "a message without a valid length: [b'nonsense']"),
        (b"\r\n", "a message without a valid length: []"),
        (frame(b"{"), "a message that is not JSON: "),
        (frame(b""), "a message that is not JSON: "),
        (frame(b"\xff\xfe"), "a message that is not JSON: "),
        (frame(b"[" * 100_000), "a message that is not JSON: "),
        (frame(b"[1, 2]"), "a message that is not a request: [1, 2]"),
        (frame(b'{"seq": 1}'), "a message that is not a request: {'seq': 1}"),
        (frame(b'{"seq": 1, "command": ["x"]}'), "a message that is not a request: "),
        (frame(b'{"seq": "1", "command": "x"}'), "a request with an invalid seq"),
        (frame(b'{"seq": 1, "command": "x", "arguments": [1]}'), "a request with an invalid seq"),
    ],
)
def test_a_damaged_message_is_reported_and_the_next_is_read(damaged, report):
    first, second = heard(damaged + ask("threads"))
    assert first.damage.startswith(report)
    assert len(first.damage) < 200
    assert second == Request("threads", {}, 1)


def test_a_browsers_request_ends_the_connection():
    inside = ask("launch", program="/etc/x.py")
    post = b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: %d\r\n\r\n" % len(inside)
    (only,) = heard(post + inside + post + inside)
    assert only.damage == "a browser's request; the connection is closed"


@pytest.mark.parametrize("kept", [5, 20, 24, -1])
def test_an_incomplete_message_is_the_end(kept):
    assert heard(ask("threads")[:kept]) == []


def test_what_is_sent_is_numbered_and_read_again():
    out = io.BytesIO()
    wire = Wire(io.BytesIO(), out)
    request = request_in(b'{"seq": 4, "command": "threads"}')
    wire.answer(request, {"x": "∂"})
    wire.refuse(request, "a {mistake}")
    wire.output("")
    wire.output("said\n", "stdout")
    messages = []
    out.seek(0)
    while header := out.readline():
        out.readline()
        messages.append(json.loads(out.read(int(header.split(b":")[1]))))
    assert [m["seq"] for m in messages] == [1, 2, 3]
    answer, refusal, output = messages
    assert answer["body"] == {"x": "∂"}
    assert (answer["request_seq"], answer["success"], refusal["success"]) == (4, True, False)
    assert refusal["message"] == "a {mistake}"
    assert refusal["body"]["error"]["format"] == "a (mistake)"
    assert output["body"] == {"category": "stdout", "output": "said\n"}


def test_sending_to_a_closed_connection_raises_nothing():
    out = io.BytesIO()
    out.close()
    Wire(io.BytesIO(), out).tell("stopped")
