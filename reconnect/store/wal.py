"""SQLite's write-ahead log, read to its end: pages that stand behind a damaged one are found, and a flipped bit is turned back.

The log (https://www.sqlite.org/walformat.html) is a header and frames, each a page as a commit left it. A frame holds the running
checksum of all that stands before it, and so SQLite ends at the first one that is damaged. But a frame can also be checked
alone, from the checksum that the frame before it tells: then the next good one is found, and the damaged one is known.

The checksum is a sum of words with known weights. Where one bit was flipped, the difference tells which: exactly for three bits
of four, and among a few hundred places for the rest, where the caller sees which of them makes sense.

Bytes in, bytes out: nothing here opens a file, or writes one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from math import prod
from struct import Struct
from typing import Final

_MAGIC: Final = b"\x37\x7f\x06"
_HEADER: Final = 32
_SUMMED: Final = 24  # of the header, what its checksum covers
_HEAD: Final = 24  # of a frame: page, size, two salts, two checksums
_MASK: Final = 2**32 - 1
_SUM: Final = Struct(">II")
_MENDED: Final = 4  # frames: damage of more is no flipped bit, and each costs as long as reading a hundred good ones

Sum = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Frame:
    """A page as a commit left it. `size`: how many pages the file has after the commit that ends here, 0 within one."""

    content: bytes  # page number, size, and the page: what the checksum covers
    before: Sum  # the running checksum that it starts from
    told: Sum  # and the one that it ends with
    good: bool

    @property
    def page(self) -> int:
        """The number of the page, from 1."""
        return int.from_bytes(self.content[:4], "big")

    @property
    def size(self) -> int:
        """How many pages there are after this commit, 0 where the commit goes on."""
        return int.from_bytes(self.content[4:8], "big")


@dataclass(frozen=True, slots=True)
class Log:
    """The frames of a log's last generation. `words` reads what a checksum covers."""

    frames: tuple[Frame, ...]
    words: Struct
    page_size: int

    @property
    def damaged(self) -> int:
        """How many frames do not match their checksums."""
        return sum(not frame.good for frame in self.frames)


# -- reading ---------------------------------------------------------------------------------------------------------------------


def read_log(log: bytes, page_size: int) -> Log:
    """Return the frames that were written since the log was last begun, the damaged ones among them."""
    told = log[3:4] == b"\x83"  # the order of bytes in which the sums were made, in a header that may be damaged
    first = _read(log, page_size, "<>"[told])
    if 2 * first.damaged < len(first.frames):
        return first
    return max(first, _read(log, page_size, "><"[told]), key=lambda log: len(log.frames) - log.damaged)


def _read(log: bytes, page_size: int, order: str) -> Log:
    words = Struct(f"{order}{(8 + page_size) // 4}I")
    step = _HEAD + page_size
    header = log[:_HEADER].ljust(_HEADER, b"\0")
    starts = [_SUM.unpack_from(header, _SUMMED), _sum(Struct(f"{order}6I").unpack_from(header), (0, 0))]
    salts = _salts(log, step, header.startswith(_MAGIC) and starts[0] == starts[1])  # zeros add up as well
    frames: list[Frame] = []
    ours = 0  # an earlier generation may stand behind: its frames match each other, but none of ours
    for at in range(_HEADER, len(log) - step + 1, step):
        content, told = log[at : at + 8] + log[at + _HEAD : at + step], _SUM.unpack_from(log, at + 16)
        values = words.unpack(content)
        matching = [start for start in starts if _sum(values, start) == told]
        if matching and matching[0] != starts[0] and frames:
            # It goes on from what the frame before it adds up to, so that one is good, and only its checksum is damaged.
            frames[-1] = replace(frames[-1], good=True)
        frames.append(Frame(content, matching[0] if matching else starts[0], told, bool(matching)))
        if log[at + 8 : at + 16] == salts or (matching and ours == len(frames) - 1):
            ours = len(frames)
        starts = [told] if matching else [told, _sum(values, starts[0])]
    return Log(tuple(frames[:ours]), words, page_size)


def _salts(log: bytes, step: int, whole: bool) -> bytes:
    """Return what marks the frames of this generation: what the header says, or the newest mark that several frames share."""
    told = Counter(log[at : at + 8] for at in range(_HEADER + 8, len(log) - step + 9, step))
    shared = [salts for salts, times in told.items() if times > 1]  # the first of two salts grows with each generation
    return log[16:24] if whole or not shared else max(shared)


def _sum(words: Sequence[int], start: Sum) -> Sum:
    first, second = start
    for one, other in zip(words[::2], words[1::2], strict=True):
        first = (first + one + second) & _MASK
        second = (second + other + first) & _MASK
    return first, second


# -- turning a bit back ----------------------------------------------------------------------------------------------------------


def mended(log: Log, most: int) -> Iterator[Log]:
    """Yield the log with one bit of each damaged frame turned back, in every way that its checksum allows.

    Where these are more than `most`, only what a checksum tells exactly is turned back. A frame whose page stands in a later one
    as well is left as it is, and so are all but the last few: so many are no flipped bits.
    """
    last = {frame.page: number for number, frame in enumerate(log.frames) if frame.good}
    matter = [number for number, frame in enumerate(log.frames) if not frame.good][-_MENDED:]
    ways = [[frame] for frame in log.frames]
    for number in matter:
        found = [way for way in _mended(log.frames[number], log.words) if last.get(way.page, 0) <= number]
        ways[number] = found or ways[number]
    if prod(map(len, ways)) > most:
        ways = [found if len(found) == 1 else [frame] for frame, found in zip(log.frames, ways, strict=True)]
    yield from (replace(log, frames=frames) for frames in product(*ways))


def _mended(frame: Frame, words: Struct) -> Iterator[Frame]:
    values = words.unpack(frame.content)
    got = _sum(values, frame.before)
    wanted = tuple((told - is_now) & _MASK for told, is_now in zip(frame.told, got, strict=True))
    weights = [(1, 1), (0, 1)]  # by how much each of the last two words counts in the sums; going back, they count for more
    for at in range(len(values) - 2, -1, -2):
        for place, (first, second) in enumerate(weights, at):
            for bit in range(32):
                change = -(1 << bit) if values[place] >> bit & 1 else 1 << bit
                if ((first * change) & _MASK, (second * change) & _MASK) == wanted:
                    better = [*values[:place], values[place] ^ 1 << bit, *values[place + 1 :]]
                    yield replace(frame, content=words.pack(*better), good=True)
        weights = [((first + second) & _MASK, (first + 2 * second) & _MASK) for first, second in weights]


# -- pages -----------------------------------------------------------------------------------------------------------------------


def image(base: bytes, log: Log, *, with_damaged: bool) -> bytes:
    """Return the file that these frames make of `base`, in a form that needs no log."""
    frames = [frame for frame in log.frames if frame.good or with_damaged]
    limit = len(base) // log.page_size + len(frames)  # what a number may be that is not damaged
    ends = [number for number, frame in enumerate(frames, 1) if 0 < frame.size <= limit]
    pages = bytearray(base)
    for frame in frames[: ends[-1] if ends else 0]:
        if 0 < frame.page <= limit:
            at = (frame.page - 1) * log.page_size
            pages.extend(bytes(max(0, at + log.page_size - len(pages))))
            pages[at : at + log.page_size] = frame.content[8:]
    if ends:
        del pages[frames[ends[-1] - 1].size * log.page_size :]
    pages[18:20] = b"\1\1"  # no log
    pages[28:32] = (len(pages) // log.page_size).to_bytes(4, "big")
    pages[92:96] = pages[24:28]  # and that number is up to date
    return bytes(pages)
