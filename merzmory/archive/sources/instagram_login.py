"""An account at Instagram: a patient, quiet connection, its cookies, and what its refusals mean.

instaloader does the talking. Its printing is turned into log lines, its waiting into a saved state,
and its session file, a pickle, into JSON of ours.
"""

from __future__ import annotations

import json
import logging
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
from instaloader import InstaloaderContext, RateController, __version__
from instaloader.exceptions import (
    AbortDownloadException,
    BadCredentialsException,
    InstaloaderException,
    LoginException,
    LoginRequiredException,
    PrivateProfileNotFollowedException,
    ProfileNotExistsException,
    TooManyRequestsException,
    TwoFactorAuthRequiredException,
)

from merzmory.archive.sources import secret
from merzmory.archive.sources.waiting import Waiting
from merzmory.errors import ArchiveError, MerzmoryError
from merzmory.manifest import write_aside

TIMEOUT = 60.0  # seconds for an answer
SHORT = 15.0  # seconds: a longer wait is a saved state
_WINDOW = 3600.0  # seconds that the rate controller looks back
_STATUS = re.compile(r'(?:^|: |")(\d{3}) [A-Z]')
_log = logging.getLogger(__name__)


class UnreachableError(ArchiveError):
    """Instagram could not be reached, or stumbled: trying again may help at once."""


class Connection(InstaloaderContext):
    """instaloader's context without printing, and with a memory of its requests."""

    def __init__(self, place: Path, waiting: Waiting) -> None:
        """`place` is the service's folder, in which the requests are remembered."""
        self.waiting = waiting
        super().__init__(
            quiet=True,
            request_timeout=TIMEOUT,
            max_connection_attempts=1,  # the first refusal is believed
            rate_controller=lambda context: _Patience(context, place / "requests.json", waiting),
            iphone_support=False,  # one request a post fewer
        )

    def error(self, msg: Any, repeat_at_end: bool = True) -> None:
        """A log line instead of a print."""
        _log.info("%s", scrubbed(str(msg)))


class _Patience(RateController):
    """instaloader's own limits, remembered from one command to the next; never loosened."""

    def __init__(self, context: InstaloaderContext, path: Path, waiting: Waiting) -> None:
        super().__init__(context)
        self._path, self._waiting = path, waiting
        shift = time.monotonic() - time.time()
        try:
            known = json.loads(path.read_text("utf-8"))["times"]
            self._query_timestamps = {
                str(kind): [float(at) + shift for at in times] for kind, times in known.items()
            }
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            self._query_timestamps = {}

    def sleep(self, secs: float) -> None:
        if secs > SHORT:
            raise self._waiting.pause(secs, "as many requests as are proper were made")
        time.sleep(secs)

    def wait_before_query(self, query_type: str) -> None:
        super().wait_before_query(query_type)
        shift = time.time() - time.monotonic()
        oldest = time.time() - _WINDOW
        times = {
            kind: [round(at + shift, 1) for at in times if at + shift > oldest]
            for kind, times in self._query_timestamps.items()
        }
        write_aside(self._path, json.dumps({"format": 1, "times": times}).encode())


def session_file(private: Path, account: str) -> Path:
    """Where an account's cookies lie."""
    return private / f"instagram-{account}.json"


def save_session(private: Path, account: str, connection: InstaloaderContext) -> None:
    """Keep the cookies of a connection that is logged in."""
    said = {"format": 1, "account": account, "cookies": connection.save_session()}
    secret.write(session_file(private, account), json.dumps(said))


def use_session(private: Path, account: str, connection: InstaloaderContext) -> None:
    """Log `connection` in with the cookies that were kept.

    Raises:
        ArchiveError: there are none, they are damaged, or others may read them.
    """
    path = session_file(private, account)
    text = secret.read(path)
    if text is None:
        raise nobody(account)
    try:
        cookies = {str(k): str(v) for k, v in json.loads(text)["cookies"].items()}
        connection.load_session(account, cookies)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ArchiveError(
            f"{path} is damaged: remove it and run `merzmory fetch` to log in again."
        ) from error


def log_in(
    private: Path,
    account: str,
    connection: Connection,
    ask_password: Callable[[], str],
    ask_code: Callable[[], str],
) -> None:
    """Log in once, with what the door asked, and keep the cookies; the password is not kept.

    Raises:
        ArchiveError: the password or code is wrong, or Instagram wants to see the person first.
        WaitingError: Instagram asks to wait.
    """
    context: InstaloaderContext = connection
    try:
        try:
            context.login(account, ask_password())
        except TwoFactorAuthRequiredException:
            context.two_factor_login(ask_code())
    except BadCredentialsException:
        raise ArchiveError(
            f"Instagram does not accept the password or the code for {account}: run the command "
            "again, but not often; after a few wrong ones Instagram locks the account."
        ) from None
    except LoginException as error:
        if "checkpoint" in str(error).lower() or "challenge" in str(error).lower():
            raise connection.waiting.stop(_challenge(account)) from None
        if "does not exist" in str(error):
            raise ArchiveError(
                f"There is no account {account}: check archive.instagram.login."
            ) from None
        raise connection.waiting.refused("the login was refused") from None
    except requests.JSONDecodeError:
        raise connection.waiting.refused("the login was refused") from None
    except requests.RequestException:
        raise unreachable() from None
    except (InstaloaderException, KeyError, TypeError) as error:
        _log.info("login: %s", type(error).__name__)
        raise changed() from None
    save_session(private, account, connection)


@dataclass(frozen=True, slots=True)
class Refusals:
    """What Instagram refuses, in one sentence, and as a saved state."""

    waiting: Waiting
    private: Path
    login: str  # "": nobody

    @contextmanager
    def understood(self) -> Iterator[None]:
        """Turn what instaloader raises inside the block into an error of ours.

        Raises:
            WaitingError: it asks to wait: 429, 401, 403, or a page where data should be.
            UnreachableError: it cannot be reached, or stumbled.
            ArchiveError: it wants to see the person, has logged the session out, or has changed.
        """
        try:
            yield
        except (
            InstaloaderException, AbortDownloadException, requests.RequestException,
            AssertionError, AttributeError, LookupError, TypeError, ValueError,
        ) as error:  # fmt: skip
            _log.info("%s: %s", type(error).__name__, scrubbed(str(error)))
            raise self._meaning(error) from None

    def _meaning(self, error: Exception) -> MerzmoryError:
        chain: list[BaseException] = [error]
        while chain[-1].__cause__ is not None:
            chain.append(chain[-1].__cause__)
        text = " ".join(str(each) for each in chain)
        found = _STATUS.search(text)
        status = int(found.group(1)) if found else 0

        def among(*kinds: type[BaseException]) -> bool:
            return any(isinstance(each, kinds) for each in chain)

        if among(AbortDownloadException):
            if "login page" not in text:
                return self.waiting.stop(_challenge(self.login))
            session_file(self.private, self.login).unlink(missing_ok=True)
            return ArchiveError(
                f"Instagram has logged {self.login} out: run `merzmory fetch` with the same config in "
                "a terminal to log in again; what was fetched is kept."
            )
        if among(LoginRequiredException):
            return ArchiveError(
                "Instagram shows this only to people who are logged in: ask Instagram for your "
                "export, which is the safe way, or name your account with archive.instagram.login."
            )
        if among(ProfileNotExistsException):
            return ArchiveError(
                "Instagram shows no such profile: check archive.instagram.profile; if it is right, "
                "Instagram may be refusing to answer: try again tomorrow."
            )
        if among(PrivateProfileNotFollowedException):
            return ArchiveError(
                f"That profile is private and {self.login} does not follow it: ask its owner for their "
                "photographs."
            )
        if among(TooManyRequestsException) or status in {401, 403, 429}:
            return self.waiting.refused(f"it answered {status or 429}")
        if "wait a few minutes" in text.lower():
            return self.waiting.refused("it said: wait a few minutes")
        if among(json.JSONDecodeError):
            return self.waiting.refused("it sent a page instead of an answer")
        if among(requests.RequestException) or status >= 500:
            return unreachable()
        return changed()


def nobody(account: str) -> ArchiveError:
    """There is no session."""
    return ArchiveError(
        f"Nobody has logged in as {account} yet: run `merzmory fetch` with the same config in a "
        "terminal, which asks for the password and keeps only the session."
    )


def unreachable() -> UnreachableError:
    """Nobody answered."""
    return UnreachableError(
        "Instagram cannot be reached: check the connection; the same command goes on, and what "
        "was fetched is kept."
    )


def changed() -> ArchiveError:
    """The answer was not understood."""
    return ArchiveError(
        f"Instagram answered in a way that instaloader {__version__} does not understand, which "
        "happens some times a year: pip install -U instaloader, then the same command goes on."
    )


def scrubbed(text: str) -> str:
    """`text` without what stands behind the question mark of an address."""
    return re.sub(r"\?\S*", "", text)


def _challenge(account: str) -> str:
    who = f" as {account}" if account else ""
    return (
        f"Instagram wants to see that you are a person: open Instagram{who} in its app or a "
        "browser, do what it asks, and give it a day's rest; then `merzmory fetch` with the same "
        "config goes on. The export that Instagram offers needs none of this."
    )
