"""How a message travels: as JSON to a webhook, as an e-mail.

Belongs here: both ways, within a time-out.
Does not belong here: which messages there are.
"""

from __future__ import annotations

import smtplib
from collections.abc import Iterator
from email.message import EmailMessage
from functools import partial
from urllib.parse import unquote, urlsplit

import httpx

from orchestration.alerts.incidents import Message, Send
from orchestration.alerts.settings import AlertSettings

TIMEOUT_SECONDS = 10.0


def senders(settings: AlertSettings) -> list[Send]:
    """Return the ways that are configured."""
    return list(_ways(settings))


def _ways(settings: AlertSettings) -> Iterator[Send]:
    if settings.alert_webhook_url is not None:
        yield partial(_post, settings.alert_webhook_url.get_secret_value())
    if settings.alert_email_to is not None:
        smtp_url = settings.alert_smtp_url.get_secret_value()
        yield partial(_mail, smtp_url, settings.alert_email_from, settings.alert_email_to)


def _post(url: str, message: Message) -> None:
    """Post a message; ``text`` is what chat services show. The address, which may be secret, is in no error."""
    body = {
        "text": message.text,
        "status": "recovered" if message.is_recovery else "firing",
        "subject": message.subject,
        "title": message.title,
        "detail": message.detail,
        "opened_at": message.opened_at.isoformat(),
        "recovered_at": message.recovered_at.isoformat() if message.recovered_at else None,
    }
    try:
        response = httpx.post(url, json=body, timeout=TIMEOUT_SECONDS, trust_env=False)
    except httpx.HTTPError as error:
        raise RuntimeError(f"ALERT_WEBHOOK_URL cannot be reached ({type(error).__name__})") from None
    if not response.is_success:
        raise RuntimeError(f"ALERT_WEBHOOK_URL answers with HTTP {response.status_code}")


def _mail(smtp_url: str, sender: str, recipients: str, message: Message) -> None:
    mail = EmailMessage()
    mail["From"], mail["To"] = sender, recipients
    mail["Subject"] = f"{'Over: ' if message.is_recovery else ''}{message.title}"
    mail.set_content(f"{message.text}\n\n{message.detail}\n\n{message.subject}\n")
    server = urlsplit(smtp_url)
    is_encrypted = server.scheme == "smtps"
    connect = smtplib.SMTP_SSL if is_encrypted else smtplib.SMTP
    with connect(
        server.hostname or "localhost", server.port or (465 if is_encrypted else 25), timeout=TIMEOUT_SECONDS
    ) as smtp:
        smtp.ehlo()
        if not is_encrypted and smtp.has_extn("starttls"):
            smtp.starttls()
            smtp.ehlo()
        if server.username and server.password:
            smtp.login(unquote(server.username), unquote(server.password))
        smtp.send_message(mail)
