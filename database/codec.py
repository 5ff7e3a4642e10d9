"""How the bytes of a delivery are kept: zstd frames, with a trained dictionary where there is one.

Belongs here: compressing and decompressing bodies, within bounds.
Does not belong here: where dictionaries are stored, how they are trained, anything about JSON.

PostgreSQL does not compress these bodies again (``storage external``): it knows pglz only, which was the limit of
landing when it was tried (9,000 tweets a second, against 100,000 with zstd in the service).
"""

from __future__ import annotations

import threading
from collections.abc import Mapping

import zstandard

NO_DICTIONARY = 0

LEVEL = 3
"""Synthetic bodies of 20 tweets take 638 B a tweet at 289 MB/s; level 6: 604 B at 103 MB/s; level 1: 660 B at 327."""

MAX_BODY_BYTES = 128 << 20
"""No delivery is larger: the service takes 64 MiB. A frame that promises more is damaged, and is not unpacked."""


class UnreadableFrameError(ValueError):
    """The stored bytes are not a frame that this codec wrote; the message says what is wrong with them."""


class UnknownDictionaryError(UnreadableFrameError):
    """The dictionary is not one of those that were loaded; a newer one may be in ``raw.compression_dictionaries``."""


class Codec:
    """Compresses with one dictionary, decompresses with any that is known. Threads may share it.

    ``dictionaries`` are the trained ones by their id; ``current`` is the id of the one for new bodies, or
    ``NO_DICTIONARY``.
    """

    def __init__(self, dictionaries: Mapping[int, bytes], current: int = NO_DICTIONARY) -> None:
        self._dictionaries = {
            dictionary_id: zstandard.ZstdCompressionDict(dictionary, dict_type=zstandard.DICT_TYPE_FULLDICT)
            for dictionary_id, dictionary in dictionaries.items()
        }
        if current != NO_DICTIONARY and current not in self._dictionaries:
            raise UnknownDictionaryError(_unknown(current, self._dictionaries))
        self.current = current
        self._of_this_thread = threading.local()

    def compress(self, body: bytes) -> bytes:
        """Return ``body`` as a frame; store ``current`` beside it."""
        compressor: zstandard.ZstdCompressor | None = getattr(self._of_this_thread, "compressor", None)
        if compressor is None:
            # A (de)compressor holds state while it works, so that two threads may not use one at once.
            compressor = self._compressor()
            self._of_this_thread.compressor = compressor
        return compressor.compress(body)

    def decompress(self, frame: bytes, dictionary_id: int, *, max_bytes: int = MAX_BODY_BYTES) -> bytes:
        """Return the body that ``compress`` was given, exactly. Raises ``UnreadableFrameError``."""
        try:
            size = zstandard.frame_content_size(frame)
            if not 0 <= size <= max_bytes:
                raise UnreadableFrameError(f"the frame promises {size} bytes; at most {max_bytes} are unpacked")
            return self._decompressor(dictionary_id).decompress(frame)
        except zstandard.ZstdError as error:
            raise UnreadableFrameError(f"{len(frame)} stored bytes cannot be decompressed: {error}") from error

    def _compressor(self) -> zstandard.ZstdCompressor:
        dictionary = self._dictionaries.get(self.current)
        # The checksum is verified by every decompression; the dictionary's id stands in a column of its own.
        if dictionary is None:
            return zstandard.ZstdCompressor(level=LEVEL, write_checksum=True)
        return zstandard.ZstdCompressor(level=LEVEL, dict_data=dictionary, write_checksum=True, write_dict_id=False)

    def _decompressor(self, dictionary_id: int) -> zstandard.ZstdDecompressor:
        known: dict[int, zstandard.ZstdDecompressor] | None = getattr(self._of_this_thread, "decompressors", None)
        if known is None:
            known = self._of_this_thread.decompressors = {}
        if dictionary_id not in known:
            known[dictionary_id] = self._new_decompressor(dictionary_id)
        return known[dictionary_id]

    def _new_decompressor(self, dictionary_id: int) -> zstandard.ZstdDecompressor:
        if dictionary_id == NO_DICTIONARY:
            return zstandard.ZstdDecompressor()
        if dictionary_id not in self._dictionaries:
            raise UnknownDictionaryError(_unknown(dictionary_id, self._dictionaries))
        return zstandard.ZstdDecompressor(dict_data=self._dictionaries[dictionary_id])


def _unknown(dictionary_id: int, known: Mapping[int, object]) -> str:
    return f"there is no compression dictionary {dictionary_id}; known are {sorted(known) or 'none'}"
