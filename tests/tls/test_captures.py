"""Captures of TLS: the bytes are what was sent, and the secrets in the file open them, by RFC 8446 and nothing of OpenSSL's."""

from __future__ import annotations

import hmac
import os
from struct import pack

import dpkt
import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pcapng import FileScanner
from pcapng.blocks import EnhancedPacket

from simsock import Simulation, UsageError
from tests.tls.contexts import make_client_context, make_server_context
from tests.tls.programs import meet, wrap_client, wrap_server

pytestmark = pytest.mark.filterwarnings("ignore:Field type should not be:DeprecationWarning")  # python-pcapng's, of its own tables
SECRETS = 10


def visit(path, *, client=None, **options):
    """A client says something, over TLS 1.3; the world's digest."""
    context = client or make_client_context()

    def say(sock):
        wrap_client(sock, context).sendall(b"the plain text")

    with Simulation(seed=1) as sim:
        if path is not None:
            sim.capture(path, **options)
        meet(say, lambda sock: wrap_server(sock, make_server_context()).recv(100))
    return sim.digest


def secrets_of(blocks):
    """By label: the one secret of it."""
    lines = b"".join(block.raw[16 : 16 + int.from_bytes(block.raw[12:16], "little")] for block in blocks)
    return {label: bytes.fromhex(secret) for label, _, secret in (line.split() for line in lines.decode().splitlines())}


class Raw:
    """A block whose kind python-pcapng does not know, or knows otherwise: as it stands in the file."""

    def __init__(self, raw):
        self.kind = int.from_bytes(raw[:4], "little")
        self.raw = raw


def raw_blocks(path):
    data, place = path.read_bytes(), 0
    while place < len(data):
        size = int.from_bytes(data[place + 4 : place + 8], "little")
        yield Raw(data[place : place + size])
        place += size


def said(path, port):
    """The bytes that the client has sent, as it sent them."""
    found = b""
    with path.open("rb") as file:
        for block in FileScanner(file):
            if isinstance(block, EnhancedPacket) and block.options["epb_flags"].inout == "outbound":
                segment = dpkt.ip.IP(block.packet_data).data
                found += segment.data if segment.dport == port else b""
    return found


def expand(secret, label, size):
    """HKDF-Expand-Label (RFC 8446, 7.1), with SHA-384 and for one block of it."""
    label = b"tls13 " + label
    info = pack(">H", size) + bytes([len(label)]) + label + b"\0"
    return hmac.digest(secret, info + b"\1", "sha384")[:size]


def opened(record, secret, number):
    """The plain text of a record, encrypted with AES-256-GCM as the ``number``-th of its secret."""
    key, iv = expand(secret, b"key", 32), expand(secret, b"iv", 12)
    nonce = bytes(a ^ b for a, b in zip(iv, number.to_bytes(12, "big")))
    return AESGCM(key).decrypt(nonce, record[5:], record[:5]).rstrip(b"\0")[:-1]


def test_the_secrets_in_the_file_open_what_was_said(tmp_path):
    path = tmp_path / "visit.pcapng"
    visit(path, secrets=True)
    blocks = list(raw_blocks(path))
    secrets = secrets_of(block for block in blocks if block.kind == SECRETS)
    assert {"CLIENT_HANDSHAKE_TRAFFIC_SECRET", "SERVER_HANDSHAKE_TRAFFIC_SECRET", "CLIENT_TRAFFIC_SECRET_0", "SERVER_TRAFFIC_SECRET_0"} <= set(secrets)
    with path.open("rb") as file:
        ports = {dpkt.ip.IP(block.packet_data).data.dport for block in FileScanner(file) if isinstance(block, EnhancedPacket)}
    stream = said(path, min(ports))
    records = []
    while stream:
        size = 5 + int.from_bytes(stream[3:5], "big")
        records.append(stream[:size])
        stream = stream[size:]
    encrypted = [record for record in records if record[0] == 23]
    assert opened(encrypted[1], secrets["CLIENT_TRAFFIC_SECRET_0"], 0) == b"the plain text", "the first is the end of the handshake"


def test_without_being_asked_for_they_are_not_there(tmp_path):
    path = tmp_path / "visit.pcapng"
    visit(path)
    assert b"TRAFFIC_SECRET" not in path.read_bytes()


def test_those_that_the_program_writes_down_itself_are_in_every_capture(tmp_path):
    path, log = tmp_path / "visit.pcapng", tmp_path / "keys.txt"
    context = make_client_context(keylog_filename=str(log))
    visit(path, client=context)
    assert log.read_text().count("CLIENT_TRAFFIC_SECRET_0") == path.read_bytes().count(b"CLIENT_TRAFFIC_SECRET_0") == 1
    assert context.keylog_filename == str(log)


def test_a_capture_changes_neither_runs_nor_contexts_and_leaves_nothing_open(tmp_path):
    context = make_client_context()
    plain = visit(None, client=context)
    before = len(os.listdir("/proc/self/fd"))
    assert visit(tmp_path / "one.pcapng", client=context, secrets=True) == plain
    assert context.keylog_filename is None
    assert len(os.listdir("/proc/self/fd")) == before


def test_each_secret_is_in_the_file_once(tmp_path):
    """Both ends of a connection know it."""
    visit(tmp_path / "one.pcapng", secrets=True)
    assert (tmp_path / "one.pcapng").read_bytes().count(b"CLIENT_TRAFFIC_SECRET_0") == 1


def test_what_cannot_be_meant_is_an_error(tmp_path):
    with Simulation() as sim, pytest.raises(UsageError, match="secrets: expected True"):
        sim.capture(tmp_path / "one.pcapng", secrets="yes")
