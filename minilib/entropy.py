"""How few bits a list of symbols needs, and two codes that come close: Huffman's, and ranges.

Nothing here computes with floats on the way to a bit or back: the same bytes mean the same
symbols on every machine.
"""

import heapq
from bisect import bisect
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from math import log2

from minilib.validation import check_count

LONGEST = 64
"""No codeword of `canonical_code` is longer, in bits."""

ONE = 1 << 22
"""What a probability of 1 is as an integer: probabilities are counted in parts of 2**22."""


def entropy(counts: Iterable[int]) -> float:
    """Mean number of bits that a symbol needs if each is coded by itself (C. Shannon 1948).

    Parameters
    ----------
    counts : iterable of int
        How often each symbol occurs; zeros do not matter.

    Returns
    -------
    float
        In bits per symbol; 0 if all symbols are alike.

    Raises
    ------
    ValueError
        If there is nothing to count, or a count is negative.
    """
    counts = check_counts(counts)
    total = sum(counts)
    return sum(count / total * log2(total / count) for count in counts)


def check_counts(counts: Iterable[int]) -> list[int]:
    """Say whether counts are whole numbers, and leave out the zeros.

    Parameters
    ----------
    counts : iterable of int
        How often each symbol occurs.

    Returns
    -------
    list of int
        Those above 0.

    Raises
    ------
    ValueError
        If a count is negative or no whole number, or all are zero.
    """
    counts = [count for count in counts if check_count("each count", count, least=0)]
    if not counts:
        raise ValueError("there is no symbol to code: all counts are 0, or there are none.")
    return counts


def huffman_lengths(counts: Mapping[Hashable, int]) -> dict[Hashable, int]:
    """Length of the codeword of each symbol, in the shortest code there is.

    Parameters
    ----------
    counts : dict of symbol to int
        How often each symbol occurs; symbols that never occur get no codeword.

    Returns
    -------
    dict of symbol to int
        In bits; a symbol that is the only one needs 1.

    Raises
    ------
    ValueError
        If a count is negative, or all are zero.

    Notes
    -----
    D. Huffman 1952, doi:10.1109/JRPROC.1952.273898: the two rarest symbols get codewords that
    differ in the last bit only; from then on they are one symbol.
    """
    check_counts(counts.values())
    occurring = [(count, symbol) for symbol, count in counts.items() if count]
    lengths = dict.fromkeys((symbol for _, symbol in occurring), 0)
    heap = [(count, number, [symbol]) for number, (count, symbol) in enumerate(occurring)]
    if len(heap) == 1:
        return {occurring[0][1]: 1}
    heapq.heapify(heap)
    for number in range(len(heap), 2 * len(heap) - 1):
        (count, _, rare), (other, _, next_rare) = heapq.heappop(heap), heapq.heappop(heap)
        for symbol in rare + next_rare:
            lengths[symbol] += 1
        heapq.heappush(heap, (count + other, number, rare + next_rare))
    return lengths


def canonical_code(lengths: Mapping[Hashable, int]) -> dict[Hashable, str]:
    """Choose codewords of the given lengths such that the lengths alone determine them.

    The symbols stand in a row, the short codewords first and equal lengths in the order of the
    symbols. Each codeword is the one before it plus 1, with zeros appended up to its length.

    Parameters
    ----------
    lengths : dict of symbol to int
        Length of each codeword in bits; the symbols can be sorted.

    Returns
    -------
    dict of symbol to str
        Codewords of 0s and 1s; none is the beginning of another.

    Raises
    ------
    ValueError
        If there is no symbol, or no code has these lengths (L. Kraft 1949: the sum of
        2**-length is at most 1).
    """
    if not lengths:
        raise ValueError("a code needs at least one symbol, got none.")
    in_order = sorted((check_count("each length", lengths[symbol]), symbol) for symbol in lengths)
    longest, symbol = in_order[-1]
    if longest > LONGEST:
        raise ValueError(f"a codeword has at most {LONGEST} bits, got {longest} for {symbol!r}.")
    if sum(1 << LONGEST - length for length, _ in in_order) > 1 << LONGEST:
        raise ValueError("no code has these lengths: the sum of 2**-length is above 1.")
    code, word, before = {}, -1, 0
    for length, symbol in in_order:
        word = (word + 1) << (length - before)
        code[symbol], before = f"{word:0{length}b}", length
    return code


def huffman_encode(symbols: Sequence[int]) -> bytes:
    """Write symbols as a file that `huffman_decode` reads: a table, then the codewords.

    Parameters
    ----------
    symbols : sequence of int
        Each from -128 to 127; at least one.

    Returns
    -------
    bytes
        How many symbols there are (4 bytes), how many differ (1), for each of these itself and
        the length of its codeword (2), and the codewords one after the other.

    Raises
    ------
    ValueError
        If there is no symbol, or one does not fit into a byte.
    """
    for symbol in symbols:
        if not -128 <= symbol <= 127 or symbol != int(symbol):
            raise ValueError(f"symbols are whole numbers from -128 to 127, got {symbol!r}.")
    symbols = [int(symbol) for symbol in symbols]
    counts = Counter(symbols)
    lengths = huffman_lengths(counts)
    code = canonical_code(lengths)
    table = b"".join(bytes([symbol & 255, lengths[symbol]]) for symbol in sorted(lengths))
    head = len(symbols).to_bytes(4, "big") + bytes([len(lengths) - 1])
    return head + table + _pack("".join(code[symbol] for symbol in symbols))


def huffman_decode(data: bytes) -> list[int]:
    """Read symbols back: the inverse of `huffman_encode`.

    Parameters
    ----------
    data : bytes
        What `huffman_encode` wrote.

    Returns
    -------
    list of int

    Raises
    ------
    ValueError
        If the data are cut off, or were not written by `huffman_encode`.
    """
    n_table = 2 * (data[4] + 1) if len(data) > 4 else 0
    if len(data) < 5 + n_table:
        raise ValueError(f"the table of codewords is cut off: there are only {len(data)} bytes.")
    n, table, body = int.from_bytes(data[:4], "big"), data[5 : 5 + n_table], data[5 + n_table :]
    lengths = {
        symbol - 256 * (symbol > 127): length
        for symbol, length in zip(table[::2], table[1::2], strict=True)
    }
    symbol_of = {word: symbol for symbol, word in canonical_code(lengths).items()}
    longest = max(lengths.values())
    symbols: list[int] = []
    word = ""
    for bit in "".join(f"{byte:08b}" for byte in body):
        if len(symbols) == n:
            break
        word += bit
        if word in symbol_of:
            symbols.append(symbol_of[word])
            word = ""
        elif len(word) >= longest:
            raise ValueError(f"the bits {word} are no codeword of the table.")
    if len(symbols) < n:
        raise ValueError(f"the codewords end after {len(symbols)} of {n} symbols.")
    if huffman_encode(symbols) != data:
        raise ValueError("the data were not written by huffman_encode: one thing has two codes.")
    return symbols


def _pack(bits: str) -> bytes:
    """Eight bits to a byte, zeros at the end."""
    n_bytes = -(-len(bits) // 8)
    return int(bits.ljust(8 * n_bytes, "0") or "0", 2).to_bytes(n_bytes, "big")


MOST_BITS = 20_000_000
"""No more bits are read back from a file, unless somebody asks for it."""


class Encoder:
    """Turns bits, each with a probability, into bytes: likely bits cost little.

    The whole message is a number in an interval that starts as all 32-bit numbers. Each bit takes
    the share of the interval that is as large as its probability; once the ends agree in their
    first byte, this byte is written and leaves the interval.

    Notes
    -----
    The carryless range coder of M. Mahoney's lpaq, after G. Martin 1979.
    """

    def __init__(self) -> None:
        self._low, self._high, self._bytes = 0, 0xFFFFFFFF, bytearray()

    def code(self, bit: int, chance: int) -> int:
        """Write one bit.

        Parameters
        ----------
        bit : int
            0 or 1.
        chance : int
            Probability of a 1, in parts of `ONE`: above 0 and below `ONE`.

        Returns
        -------
        int
            The bit.
        """
        middle = self._low + ((self._high - self._low) * chance >> 22)
        if bit:
            self._high = middle
        else:
            self._low = middle + 1
        while (self._low ^ self._high) >> 24 == 0:
            self._bytes.append(self._low >> 24)
            self._low = self._low << 8 & 0xFFFFFFFF
            self._high = self._high << 8 & 0xFFFFFFFF | 0xFF
        return bit

    def finish(self) -> bytes:
        """End the message with as few bytes as name a number within the interval.

        Returns
        -------
        bytes
            All that was written; zeros at its end are left out, for the decoder adds them.
        """
        for n_bytes in range(5):
            unit = 1 << (32 - 8 * n_bytes)
            value = -(-self._low // unit) * unit
            if value <= self._high:
                break
        return bytes(self._bytes + value.to_bytes(4, "big")[:n_bytes]).rstrip(b"\0")


class Decoder:
    """Turns the bytes of an `Encoder` back into bits.

    Parameters
    ----------
    data : bytes
        What the encoder wrote.
    most_bits : int
        A few bytes can hold millions of bits, if each is nearly certain: no more are read.
    """

    def __init__(self, data: bytes, most_bits: int = MOST_BITS) -> None:
        self._left = self._most = most_bits
        self._low, self._high = 0, 0xFFFFFFFF
        self._data, self._place = data, 4
        self._value = int.from_bytes(data[:4].ljust(4, b"\0"), "big")

    def code(self, bit: None, chance: int) -> int:
        """Read one bit.

        Parameters
        ----------
        bit : None
            Not known yet; it stands here so that one program can write and read.
        chance : int
            The probability of a 1 that the encoder was given, in parts of `ONE`.

        Returns
        -------
        int
            The bit.

        Raises
        ------
        ValueError
            If there are more bits than were expected.
        """
        self._left -= 1
        if self._left < 0:
            raise ValueError(f"there are more than {self._most:,} coded bits.")
        middle = self._low + ((self._high - self._low) * chance >> 22)
        bit = int(self._value <= middle)
        if bit:
            self._high = middle
        else:
            self._low = middle + 1
        while (self._low ^ self._high) >> 24 == 0:
            self._low = self._low << 8 & 0xFFFFFFFF
            self._high = self._high << 8 & 0xFFFFFFFF | 0xFF
            following = self._data[self._place] if self._place < len(self._data) else 0
            self._value = self._value << 8 & 0xFFFFFFFF | following
            self._place += 1
        return bit

    def finish(self) -> None:
        """Say whether all bytes were needed.

        Raises
        ------
        ValueError
            If bytes are left over.
        """
        if self._place < len(self._data):
            raise ValueError(
                f"only {self._place} of the {len(self._data)} bytes of coded bits were needed."
            )


def _logistic_table() -> list[int]:
    """Tabulate ONE / (1 + exp(-x)) for x = -12, -12 + 1/256, ..., 12, by whole numbers alone."""
    unit, root = 1 << 64, 18518942588666869714  # 2**64 and its product with exp(1 / 256)
    powers = [unit]
    while len(powers) <= _REACH:
        powers.append(powers[-1] * root >> 64)
    below = [ONE * unit // (power + unit) for power in powers[:0:-1]]
    return below + [ONE * power // (power + unit) for power in powers]


_REACH = 12 * 256
_LOGISTIC = _logistic_table()


def logit(chance: int) -> int:
    """Turn a probability into its logit, log(p / (1 - p)).

    Parameters
    ----------
    chance : int
        In parts of `ONE`.

    Returns
    -------
    int
        In units of 1/256, from -3073 to 3072.
    """
    return bisect(_LOGISTIC, chance) - 1 - _REACH


def logistic(x: int) -> int:
    """Turn a logit into a probability: the way back of `logit`.

    Parameters
    ----------
    x : int
        In units of 1/256.

    Returns
    -------
    int
        In parts of `ONE`; at least 1/10,000 and at most 1 less that: no bit is ever certain.
    """
    return _LOGISTIC[min(max(x, -_SURE), _SURE) + _REACH]


_SURE = 2358  # 9.21 * 256: the logit of 0.9999


class Predictor:
    """Learns, bit by bit, how likely the next bit is, from several contexts at once.

    For each value of each context it counts how often a 1 came. What the logits of these chances
    add to the logit of the usual chance is summed up with weights, and the weights follow the
    gradient of the bits paid: it is a network with one neuron, which learns while it codes. A value
    never seen before adds nothing. Reader and writer learn the same, since they see the same bits.

    Parameters
    ----------
    coder : Encoder or Decoder
        Where the bits go, or come from.
    start : int
        Probability of a 1 before anything was seen, in parts of `ONE`.

    Notes
    -----
    M. Mahoney 2005, "Adaptive weighing of context models for lossless data compression",
    Florida Tech CS-2005-16.
    """

    def __init__(self, coder: Encoder | Decoder, *, start: int) -> None:
        self._coder, self._start = coder, start
        self._chances: dict[tuple, int] = {}
        self._seen: dict[tuple, int] = {}
        self._weights: list[int] = []

    def code(self, bit: int | None, *contexts: Hashable) -> int:
        """Write a bit, or read it, and learn from it.

        Parameters
        ----------
        bit : int or None
            None when reading.
        *contexts : hashable
            What is known about the bit; always as many.

        Returns
        -------
        int
            The bit.
        """
        keys = [("always",), *enumerate(contexts)]
        usual = self._chances.setdefault(keys[0], self._start)
        chances = [self._chances.setdefault(key, usual) for key in keys]
        first, *others = [logit(chance) for chance in chances]
        logits = [first, *(other - first for other in others)]
        self._weights = self._weights or [65_536, *[98_304 // len(keys)] * len(others)]
        mixed = sum(w * x for w, x in zip(self._weights, logits, strict=True)) >> 16
        chance = logistic(mixed)

        bit = self._coder.code(bit, chance)
        miss = bit * ONE - chance
        for place, x in enumerate(logits):
            self._weights[place] += miss * x >> 22
        for key, chance in zip(keys, chances, strict=True):
            seen = self._seen[key] = min(self._seen.get(key, 0) + 1, 1023)
            self._chances[key] = chance + (bit * ONE - chance) // (seen + 2)
        return bit
