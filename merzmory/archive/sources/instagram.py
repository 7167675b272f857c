"""Photographs of an Instagram profile, by instaloader; for those who have read the warning.

Accounts were suspended for this, some a day after their owner's own posts were fetched, so nothing
is asked before the person accepts that, one request follows another at instaloader's own pace, and
the first refusal ends the pass. The export that Instagram itself offers is the first path.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from merzmory.archive.sources import instagram_login as account
from merzmory.archive.sources.downloads import Downloads, Fetched
from merzmory.archive.sources.instagram_walk import Walk
from merzmory.archive.sources.waiting import Waiting
from merzmory.errors import ConfigError
from merzmory.manifest import Work, digest
from merzmory.records import Announce

WARNING = (
    "Instagram forbids programs that fetch photographs, and accounts have been suspended for good "
    "the day after their own photographs were fetched. The export that Instagram offers is the safe "
    "way: ask for it in the Accounts Centre (Export your information, as JSON) and read its ZIP. To "
    "go on all the same, say --accept-risk, or set archive.instagram.accept_risk = true."
)
_NAME = re.compile(r"[A-Za-z0-9._]{1,30}")


class InstagramSource(Fetched):
    """The posts of a profile, what an account saved, or where it is tagged."""

    def __init__(
        self,
        into: Path,
        private: Path,
        *,
        profile: str = "",
        login: str = "",
        what: str = "posts",
        newest: int = 0,
        accept_risk: bool = False,
    ) -> None:
        """`into` takes the photographs, `private` the session; `newest` posts, 0 for all.

        Raises:
            ConfigError: nobody is named, or a name cannot be one.
        """
        name = profile or login
        if not all(_NAME.fullmatch(each) for each in (name, login or name)):
            raise ConfigError(
                "Instagram needs a name: --set archive.instagram.profile=NAME for a profile that "
                "everybody sees, or archive.instagram.login=NAME for your own."
            )
        if what != "posts" and (not login or name.lower() != login.lower()):
            raise ConfigError(
                f"Instagram shows what is {what} to its owner alone: set archive.instagram.login to "
                "your account and leave archive.instagram.profile empty."
            )
        self.name, self.login, self.what = name.lower(), login, what
        self.newest, self.accept_risk = newest, accept_risk
        self.private = private
        self.downloads = Downloads(
            into / "instagram" / f"{self.name}-{what}-{digest(self.settings)}"
        )
        self.waiting = Waiting(self.downloads.folder.parent / "waiting.json", "Instagram")

    @property
    def label(self) -> str:
        """The profile's name."""
        return f"instagram {self.name}"

    @property
    def settings(self) -> Mapping[str, Any]:
        """Whose, and what."""
        return {"source": "instagram", "profile": self.name, "what": self.what}

    @property
    def intent(self) -> str:
        """What fetching will do, for the person to read before it starts."""
        what = {"posts": "the photographs", "saved": "the saved photographs",
                "tagged": "the photographs with a tag"}[self.what]  # fmt: skip
        newest = f" of the newest {self.newest} posts" if self.newest else ""
        seen = f"logged in as {self.login}" if self.login else "without an account"
        return (
            f"Fetching {what}{newest} of {self.name} from instagram.com, {seen}, into "
            f"{self.downloads.folder}: one after the other, some seconds apart."
        )

    @property
    def needs_login(self) -> bool:
        """Whether a person has to log in first."""
        return bool(self.login) and not account.session_file(self.private, self.login).exists()

    def log_in(self, ask_password: Callable[[], str], ask_code: Callable[[], str]) -> None:
        """Log in once and keep the session, never the password.

        Raises:
            ConfigError: the risk is not accepted.
            ArchiveError: Instagram does not accept it.
            WaitingError: Instagram asks to wait.
        """
        self._consented()
        self.waiting.check(asked=True)
        account.log_in(self.private, self.login, self._connect(), ask_password, ask_code)

    def plan(self, *, again: bool = False) -> Work:
        """The Work of fetching what is not here yet; none where all was fetched before.

        `again` looks for what is new, and takes up what only a person may.

        Raises:
            ConfigError: the risk is not accepted.
            WaitingError: Instagram asked to wait, and the time has not come.
            ArchiveError: it was stopped until a person looks, or nobody has logged in.
        """
        folder = self.downloads.folder
        if self.downloads.is_whole(self.newest) and not again:
            return Work("fetch", folder, 0, lambda _i, _a: None, lambda: folder)
        self._consented()
        self.waiting.check(asked=again)
        if self.needs_login:
            raise account.nobody(self.login)

        def run_shard(_index: int, announce: Announce) -> None:
            with self.downloads.opened("Instagram"):
                self._fetch(announce, again=again)

        return Work("fetch", folder, 1, run_shard, lambda: folder)

    def _consented(self) -> None:
        if not self.accept_risk:
            raise ConfigError(WARNING)

    def _connect(self) -> account.Connection:
        place = self.downloads.folder.parent
        place.mkdir(parents=True, exist_ok=True)
        return account.Connection(place, self.waiting)

    def _fetch(self, announce: Announce, *, again: bool) -> None:
        self.waiting.check()
        connection = self._connect()
        if self.login:
            account.use_session(self.private, self.login, connection)
        try:
            Walk(
                self.downloads,
                connection,
                account.Refusals(self.waiting, self.private, self.login),
                profile=self.name,
                what=self.what,
                newest=self.newest,
                announce=announce,
            ).run(again=again)
        finally:
            held = account.session_file(self.private, self.login).exists()
            if self.login and held:  # Instagram renews its cookies
                account.save_session(self.private, self.login, connection)
            connection.close()  # type: ignore[no-untyped-call]
