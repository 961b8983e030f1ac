"""Makes the certificates of ``tests/tls/chain`` anew: ``python -m tests.tls.make_chain``.

They are kept as files, since what trustme makes differs in every run, lengths included, and digests must not.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import trustme

CHAIN = Path(__file__).parent / "chain"


def make() -> None:
    """An authority, and what it has signed."""
    authority = trustme.CA(organization_name="tests of simsock")
    authority.cert_pem.write_to_path(str(CHAIN / "authority.pem"))
    always = {"not_before": datetime(2000, 1, 1, tzinfo=UTC), "not_after": datetime(2999, 1, 1, tzinfo=UTC)}
    january = {"not_before": datetime(2026, 1, 1, tzinfo=UTC), "not_after": datetime(2026, 2, 1, tzinfo=UTC)}
    past = {"not_before": datetime(2020, 1, 1, tzinfo=UTC), "not_after": datetime(2021, 1, 1, tzinfo=UTC)}
    for name, names, times in (
        ("server", ("server", "localhost", "127.0.0.1", "::1"), always),
        ("other", ("other", "other.example"), always),
        ("client", ("client",), always),
        ("january", ("server", "localhost", "127.0.0.1"), january),
        ("expired", ("server", "localhost", "127.0.0.1"), past),
    ):
        made = authority.issue_cert(*names, **times)
        made.private_key_and_cert_chain_pem.write_to_path(str(CHAIN / f"{name}.pem"))
    stranger = trustme.CA(organization_name="a stranger")
    stranger.issue_cert("server", "localhost", "127.0.0.1", **always).private_key_and_cert_chain_pem.write_to_path(str(CHAIN / "stranger.pem"))


if __name__ == "__main__":
    make()
