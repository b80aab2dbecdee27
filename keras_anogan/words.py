"""Numbers and errors in the words of a sentence."""

from __future__ import annotations

import errno

REASONS = {
    errno.EACCES: "there is no permission to read or write it",
    errno.EPERM: "there is no permission to read or write it",
    errno.ENOENT: "it does not exist",
    errno.EEXIST: "it exists already",
    errno.ENOTDIR: "a file stands where a folder is needed",
    errno.EISDIR: "it is a folder",
    errno.EROFS: "it lies on a disk that can only be read",
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the quota of the disk is used up",
    errno.EFBIG: "the file would be too large for the disk",
    errno.ENAMETOOLONG: "the name is too long",
    errno.EMFILE: "too many files are open",
}


def counted(number: float, noun: str, style: str = ",") -> str:
    """ "1 image file", "2,000 image files": a number and its noun, which is given in the plural.

    Args:
        number, noun: such as 2000 and "image files".
        style: how the number is written, as `format` takes it.
    """
    shown = f"{number:{style}}"
    return f"{shown} {noun.removesuffix('s') if shown == '1' else noun}"


def listed(names: list[str]) -> str:
    """ "a", "a and b", "a, b and c"."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def os_reason(error: OSError) -> str:
    """One sentence on what the operating system refused, with the path where it is known; or the error's own."""
    if error.errno is None:  # a sentence of ours
        return str(error)
    reason = REASONS.get(error.errno, str(error.strerror).lower())
    if error.filename is None:
        return f"A file could not be read or written: {reason}."
    return f"Could not use {error.filename}: {reason}."
