"""Text of others on a terminal: on one line, and nothing that moves the cursor."""


def one_line(text: str) -> str:
    r"""Return a text whose control characters, and no others, are written out.

    A file or a class may have a name that ends the line, colours the rest or deletes
    what stands before it.

    >>> one_line("class 'a" + chr(10) + "b'")
    "class 'a\\nb'"
    """
    return "".join(
        letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text
    )
