"""`opsin webhooks`: made, tested, shown and deleted."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tests.hooks.receiving import receiving

if TYPE_CHECKING:
    from tests.cli.conftest import Run


def test_the_commands_make_show_and_delete_webhooks(run: Run, home: Path) -> None:
    with (home / "opsin.toml").open("a") as settings:
        settings.write("\n[webhooks]\nallow_private = true\n")
    with receiving() as receiver:
        made = run("webhooks", "create", receiver.url, "--event", "asset.*", "--json").lines[0]
        assert made["secret"].startswith("whsec_")
        assert run("webhooks", "test", made["id"]).status == 0
        receiver.answer = lambda _: 500
        assert run("webhooks", "test", made["id"]).status == 1
    assert receiver.url in run("webhooks", "list").out
    assert "is off" in run("webhooks", "set", made["id"], "--switch", "off").out
    assert run("webhooks", "deliveries", made["id"], "--json").out == ""
    assert "0 to be sent again" in run("webhooks", "redeliver", made["id"]).out
    assert "Deleted" in run("webhooks", "delete", made["id"]).out
    assert run("webhooks", "delete", made["id"]).status == 2
