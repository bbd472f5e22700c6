"""Prints the mails of a Maildir, as Python's own parser reads them: a JSON object per line.

Usage: read.py MAILDIR
"""

import email
import email.policy
import hashlib
import json
import os
import sys


def part_of(part):
    data = part.get_payload(decode=True) or b""
    return {
        "type": part.get_content_type(),
        "charset": part.get_content_charset(),
        "filename": part.get_filename(),
        "disposition": part.get_content_disposition(),
        "size": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
        "text": data.decode("utf-8", "replace") if len(data) < 10000 else None,
    }


folder = os.path.join(sys.argv[1], "new")
for name in sorted(os.listdir(folder)):
    with open(os.path.join(folder, name), "rb") as file:
        mail = email.message_from_binary_file(file, policy=email.policy.default)
    print(
        json.dumps(
            {
                "message_id": mail["message-id"],
                "from": mail["from"],
                "to": mail["to"],
                "subject": mail["subject"],
                "automatic": mail["auto-submitted"],
                "date": mail["date"],
                "recipients": mail["x-rcptto"],
                "defects": [repr(defect) for defect in mail.defects],
                "parts": [part_of(part) for part in mail.walk() if not part.is_multipart()],
            }
        )
    )
