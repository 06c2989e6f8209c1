"""What was wrong with an outbox file: it stands in the file until a session has told it, so that no kill hides it."""

from __future__ import annotations

from reconnect.record import Record


class Found(Record, kw_only=True):
    """What was wrong with a file: which rows were set aside, how many are missing, and where the damaged file is now."""

    serials: tuple[int, ...]
    missing: int
    aside: str
    flaws: tuple[str, ...]

    def __str__(self) -> str:
        missing = f"up to {self.missing} are missing" if self.missing else "none is missing"
        lost = f"{len(self.serials)} damaged signals were set aside, {missing}"
        where = f"; the damaged file is {self.aside}" if self.aside else ""
        return f"the outbox file was damaged: {lost}{where} ({'; '.join(self.flaws)})"

    @property
    def lost(self) -> int:
        """How many signals it says are lost, at most."""
        return len(self.serials) + self.missing

    def after(self, earlier: Found | None) -> Found:
        """Return it with what was found before, and not told yet."""
        if earlier is None:
            return self
        return Found(
            serials=(*earlier.serials, *self.serials),
            missing=earlier.missing + self.missing,
            aside=self.aside or earlier.aside,
            flaws=tuple(dict.fromkeys((*earlier.flaws, *self.flaws))),
        )
