"""A mail server for tests: aiosmtpd, which keeps what it takes as files of a Maildir.

Usage: server.py FOLDER PORT [--tls implicit|starttls|none] [--cert FILE --key FILE] [--user NAME --password TEXT]
                             [--size BYTES]

FOLDER/ready has the port when it listens. A recipient whose name is that of a row below is refused by it.
"""

import argparse
import asyncio
import os
import signal
import ssl

from aiosmtpd.handlers import Mailbox
from aiosmtpd.smtp import SMTP, AuthResult

REFUSED = {
    "nobody": "550 5.1.1 no such user here",
    "later": "450 4.2.0 greylisted, come back",
    "full": "452 4.2.2 mailbox full",
}


class Handler(Mailbox):
    async def handle_RCPT(self, server, session, envelope, address, options):
        reply = REFUSED.get(address.split("@")[0])
        if reply:
            return reply
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 fine"


def authenticator(options):
    def check(server, session, envelope, mechanism, login):
        known = (options.user.encode(), options.password.encode())
        return AuthResult(success=(login.login, login.password) == known, handled=False)

    return check


def parse():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    parser.add_argument("port", type=int)
    parser.add_argument("--tls", default="none")
    parser.add_argument("--cert")
    parser.add_argument("--key")
    parser.add_argument("--user")
    parser.add_argument("--password")
    parser.add_argument("--size", type=int, default=33554432)
    return parser.parse_args()


async def serve(options):
    context = None
    if options.cert:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(options.cert, options.key)
    handler = Handler(os.path.join(options.folder, "maildir"))
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stopped.set)

    def session():
        encrypted = options.tls == "starttls"
        extra = {}
        if options.user:
            extra = {
                "authenticator": authenticator(options),
                "auth_required": True,
                "auth_require_tls": encrypted,
            }
        return SMTP(
            handler,
            data_size_limit=options.size,
            tls_context=context if encrypted else None,
            require_starttls=encrypted,
            hostname="mail.test",
            **extra,
        )

    server = await loop.create_server(
        session, "127.0.0.1", options.port, ssl=context if options.tls == "implicit" else None
    )
    with open(os.path.join(options.folder, "ready"), "w") as ready:
        ready.write(f"{options.port}\n")
    await stopped.wait()
    server.close()


asyncio.run(serve(parse()))
