"""A client that speaks HTTP/2 over TLS, with WebSockets on its one connection (RFC 8441)."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple, Self

import trustme
from h2.connection import H2Connection
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    ResponseReceived,
    StreamEnded,
    StreamReset,
)
from wsproto.connection import Connection, ConnectionType
from wsproto.events import CloseConnection, Event, TextMessage

from tests.helpers.servers import Server


class Secure(NamedTuple):
    """Arguments for hypercorn, and what a client trusts."""

    arguments: tuple[str, ...]
    context: ssl.SSLContext


def secure_by(folder: Path) -> Secure:
    """What a server with TLS and its clients need."""
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    chain, key = folder / "chain.pem", folder / "key.pem"
    for blob in certificate.cert_chain_pems:
        blob.write_to_path(str(chain), append=True)
    certificate.private_key_pem.write_to_path(str(key))
    context = ssl.create_default_context()
    authority.configure_trust(context)
    context.set_alpn_protocols(["h2"])
    return Secure(("--certfile", str(chain), "--keyfile", str(key)), context)


class Stream:
    """A request, or a socket, on a connection."""

    def __init__(self) -> None:
        self.headers: dict[str, str] = {}
        self.body = b""
        self.answered = asyncio.Event()
        self.ended = asyncio.Event()
        self.websocket: Connection | None = None
        #: Frames that came, and the code and reason of the close frame.
        self.frames: asyncio.Queue[str] = asyncio.Queue()
        self.closed: asyncio.Future[tuple[int, str | None]] = asyncio.Future()


class Http2:
    """One connection. The close frame of a socket is answered when the test says so."""

    def __init__(self, server: Server, reader: Any, writer: Any) -> None:
        self._authority = f"127.0.0.1:{server.port}"
        self._reader, self._writer = reader, writer
        self._h2 = H2Connection()
        self._streams: dict[int, Stream] = {}
        self.cut = asyncio.Event()
        self.cookie = ""

    async def begin(self) -> Self:
        self._h2.initiate_connection()
        self._flush()
        return self

    def _flush(self) -> None:
        self._writer.write(self._h2.data_to_send())

    def _start(self, pseudo: dict[str, str], end: bool) -> Stream:
        assert not self.cut.is_set(), "the connection was cut"
        headers = {
            **{f":{key}": value for key, value in pseudo.items()},
            ":scheme": "https",
            ":authority": self._authority,
            "origin": f"https://{self._authority}",
        }
        if self.cookie:
            headers["cookie"] = self.cookie
        if not end:
            headers["sec-websocket-version"] = "13"
        id = self._h2.get_next_available_stream_id()
        stream = self._streams[id] = Stream()
        self._h2.send_headers(id, list(headers.items()), end_stream=end)
        self._flush()
        return stream

    async def request(self, method: str, path: str) -> Stream:
        """Make a request, and wait for the whole answer."""
        stream = self._start({"method": method, "path": path}, end=True)
        await stream.ended.wait()
        if "set-cookie" in stream.headers:
            self.cookie = stream.headers["set-cookie"].partition(";")[0]
        return stream

    async def open(self, path: str) -> Stream:
        """Open a socket."""
        stream = self._start({"method": "CONNECT", "protocol": "websocket", "path": path}, False)
        stream.websocket = Connection(ConnectionType.CLIENT)
        await stream.answered.wait()
        assert stream.headers[":status"] == "200"
        return stream

    def say(self, stream: Stream, text: str) -> None:
        """Send a frame on a socket."""
        self._send(stream, TextMessage(text))

    def answer_close(self, stream: Stream) -> None:
        """Answer the close frame, as a browser does."""
        code, reason = stream.closed.result()
        self._send(stream, CloseConnection(code, reason), end=True)

    def _send(self, stream: Stream, frame: Event, *, end: bool = False) -> None:
        assert stream.websocket is not None
        [id] = (id for id, other in self._streams.items() if other is stream)
        self._h2.send_data(id, stream.websocket.send(frame), end)
        self._flush()

    async def run(self) -> None:
        """Take in what the server sends."""
        try:
            while data := await self._reader.read(65_536):
                for event in self._h2.receive_data(data):
                    self._take(event)
                self._flush()
        finally:
            self.cut.set()
            for stream in self._streams.values():
                stream.answered.set()
                stream.ended.set()

    def _take(self, event: Any) -> None:
        match event:
            case ResponseReceived():
                stream = self._streams[event.stream_id]
                stream.headers.update((k.decode(), v.decode()) for k, v in event.headers)
                stream.answered.set()
            case DataReceived():
                stream = self._streams[event.stream_id]
                self._h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                if stream.websocket is None:
                    stream.body += event.data
                    return
                stream.websocket.receive_data(event.data)
                for frame in stream.websocket.events():
                    if isinstance(frame, TextMessage):
                        stream.frames.put_nowait(frame.data)
                    elif isinstance(frame, CloseConnection):
                        stream.closed.set_result((frame.code, frame.reason))
            case StreamEnded() | StreamReset():
                self._streams[event.stream_id].ended.set()
            case ConnectionTerminated():
                self.cut.set()


@asynccontextmanager
async def http2(server: Server, context: ssl.SSLContext) -> AsyncIterator[Http2]:
    """A connection to a server with TLS."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port, ssl=context)
    assert writer.get_extra_info("ssl_object").selected_alpn_protocol() == "h2"
    connection = await Http2(server, reader, writer).begin()
    running = asyncio.create_task(connection.run())
    try:
        async with asyncio.timeout(30):
            yield connection
    finally:
        writer.transport.abort()
        running.cancel()
        await asyncio.wait([running])
