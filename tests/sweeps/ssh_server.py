"""An SSH server on loopback that serves one folder, as a process of its own: `python ssh_server.py FOLDER PORT`."""

from __future__ import annotations

import asyncio
import sys

import asyncssh

USER, PASSWORD = "sweeper", "of-chimneys"


class _OneUser(asyncssh.SSHServer):
    def begin_auth(self, username: str) -> bool:  # noqa: ARG002 (the interface)
        return True

    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:
        return (username, password) == (USER, PASSWORD)


async def _serve(folder: str, port: int) -> None:
    def files(channel: asyncssh.SSHServerChannel) -> asyncssh.SFTPServer:
        return asyncssh.SFTPServer(channel, chroot=folder.encode())

    await asyncssh.listen(
        "127.0.0.1",
        port,
        server_factory=_OneUser,
        server_host_keys=[asyncssh.generate_private_key("ssh-ed25519")],
        sftp_factory=files,
    )
    print("ready", flush=True)  # noqa: T201 (told to whoever started it)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_serve(sys.argv[1], int(sys.argv[2])))
