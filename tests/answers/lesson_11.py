import itertools
import math
from collections import Counter

import numpy as np

from minilib.entropy import canonical_code, entropy

# 11.entropy_bound


def probabilities_of(codes):
    counts = Counter(codes.ravel().tolist())
    return {value: count / codes.size for value, count in counts.items()}


def bound_by_numpy(layers):
    bits = 0
    for codes in layers:
        _, counts = np.unique(codes, return_counts=True)
        bits -= (counts * np.log2(counts / counts.sum())).sum()
    return math.ceil(bits / 8)


def bound_by_counter(layers):
    bits = 0.0
    for codes in layers:
        chances = probabilities_of(codes)
        bits += sum(math.log2(1 / chances[value]) for value in codes.flatten().tolist())
    return np.ceil(bits / 8)


def bound_by_minilib(layers):
    bits = sum(entropy(np.unique(c, return_counts=True)[1]) * c.size for c in layers)
    return -int(-bits // 8)


def bound_by_bincount(layers):
    bits = 0
    for codes in layers:
        counts = np.bincount(codes.ravel() + 500)
        counts = counts[counts > 0]
        bits += codes.size * np.log2(codes.size) - counts @ np.log2(counts)
    return math.ceil(round(bits / 8, 9))


def bound_in_single_precision(layers):
    bits = np.float32(0)
    for codes in layers:
        p = np.array(list(probabilities_of(codes).values()), dtype=np.float32)
        bits += np.float32(codes.size) * np.sum(p * -np.log2(p))
    return np.float32(np.ceil(bits / 8))


def bound_nan(layers):
    bits = 0
    for codes in layers:
        low, high = codes.min(), codes.max()
        p = np.array([(codes == value).mean() for value in range(low, high + 1)])
        bits += codes.size * -(p * np.log2(p)).sum()
    return math.ceil(bits / 8)


def bound_bincount_negative(layers):
    total = 0
    for codes in layers:
        counts = np.bincount(codes.ravel())
        p = counts[counts > 0] / codes.size
        total += codes.size * -(p * np.log2(p)).sum()
    return math.ceil(total / 8)


def bound_with(entropy_of):
    def bound(layers):
        return math.ceil(sum(codes.size * entropy_of(codes) for codes in layers) / 8)

    return bound


def shannon(codes):
    return sum(-p * math.log2(p) for p in probabilities_of(codes).values())


def shannon_ln(codes):
    return sum(-p * math.log(p) for p in probabilities_of(codes).values())


def shannon_log10(codes):
    return -sum(p * math.log10(p) for p in probabilities_of(codes).values())


def bound_in_bits(layers):
    return math.ceil(sum(codes.size * shannon(codes) for codes in layers))


def bound_mean(layers):
    return sum(c.size * shannon(c) for c in layers) / sum(c.size for c in layers)


def bound_entropies_added(layers):
    return math.ceil(sum(shannon(c) for c in layers) * sum(c.size for c in layers) / 8)


def bound_mean_entropy(layers):
    n = sum(codes.size for codes in layers)
    return math.ceil(np.mean([shannon(codes) for codes in layers]) * n / 8)


def bound_pooled(layers):
    together = np.hstack([codes.ravel() for codes in layers])
    return math.ceil(together.size * shannon(together) / 8)


def bound_rounding_layers(layers):
    return sum(math.ceil(codes.size * shannon(codes) / 8) for codes in layers)


def fixed_bits(codes):
    return (len(np.unique(codes)) - 1).bit_length()


def equally_likely(codes):
    return np.log2(np.unique(codes).size)


def whole_bits(codes):
    return sum(p * math.ceil(-math.log2(p)) for p in probabilities_of(codes).values())


def at_least_one_bit(codes):
    return max(1.0, shannon(codes))


def bound_nonzero(layers):
    bits = 0
    for codes in layers:
        kept = codes[codes != 0]
        _, counts = np.unique(kept, return_counts=True)
        bits -= np.sum(counts * np.log2(counts / len(kept)))
    return math.ceil(bits / 8)


def bound_absolute(layers):
    return bound_by_numpy([abs(codes) for codes in layers])


def bound_return_inside(layers):
    for codes in layers:
        bits = codes.size * shannon(codes)
        return math.ceil(bits / 8)


def bound_overwritten(layers):
    for codes in layers:
        bits = codes.size * shannon(codes)
    return math.ceil(bits / 8)


def bound_negative(layers):
    bits = 0
    for codes in layers:
        _, counts = np.unique(codes, return_counts=True)
        bits += (counts * np.log2(counts / counts.sum())).sum()
    return math.ceil(bits / 8)


def bound_rounded_down(layers):
    return int(sum(codes.size * shannon(codes) for codes in layers) / 8)


def bound_rounded(layers):
    return round(sum(codes.size * shannon(codes) for codes in layers) / 8)


def bound_not_rounded(layers):
    return sum(codes.size * shannon(codes) for codes in layers) / 8


def bound_rounding_bits(layers):
    bits = 0
    for codes in layers:
        bits += math.ceil(codes.size * shannon(codes))
    return math.ceil(bits / 8)


def bound_rounding_bits_to_the_nearest(layers):
    return math.ceil(sum(round(codes.size * shannon(codes)) for codes in layers) / 8)


def bound_of_rounded_chances(layers):
    bits = 0
    for codes in layers:
        _, counts = np.unique(codes, return_counts=True)
        bits -= (counts * np.log2(np.round(counts / codes.size, 3))).sum()
    return math.ceil(bits / 8)


def bound_plus_one(layers):
    return 1 + int(sum(codes.size * shannon(codes) for codes in layers) // 8)


# 11.canonical


def code_by_counting(n_of_length, symbols):
    code, value, place = {}, 0, 0
    for length, n in enumerate(n_of_length, start=1):
        for _ in range(n):
            code[symbols[place]] = format(value, "b").zfill(length)
            value += 1
            place += 1
        value *= 2
    return code


def code_by_fractions(n_of_length, symbols):
    """The codeword of each symbol begins where those before it end, between 0 and 1."""
    code, start = {}, 0.0
    left = iter(symbols)
    for length, n in enumerate(n_of_length, start=1):
        for symbol in itertools.islice(left, n):
            code[symbol] = "".join(str(int(start * 2**k) % 2) for k in range(1, length + 1))
            start += 2.0**-length
    return code


def code_by_minilib(n_of_length, symbols):
    lengths = np.repeat(np.arange(1, len(n_of_length) + 1), n_of_length)
    words = canonical_code(dict(enumerate(lengths)))
    return {symbol: words[place] for place, symbol in enumerate(symbols)}


def code_by_text(n_of_length, symbols):
    lengths = [k + 1 for k, n in enumerate(n_of_length) for _ in range(n)]
    words = ["0" * lengths[0]]
    for length in lengths[1:]:
        last = words[-1].rstrip("1")
        following = last[:-1] + "1" + "0" * (len(words[-1]) - len(last))
        words.append(following.ljust(length, "0"))
    return dict(zip(symbols, words, strict=True))


def next_words(n_of_length, step):
    """Codewords from the first one on; step(value, how many lengths are passed) gives the next."""
    words = []
    value = -1
    length_before = None
    for index in range(len(n_of_length)):
        for _ in range(n_of_length[index]):
            length = index + 1
            value = 0 if length_before is None else step(value, length - length_before)
            length_before = length
            words.append(np.binary_repr(value, length))
    return words


def code_with(step):
    return lambda n_of_length, symbols: dict(
        zip(symbols, next_words(n_of_length, step), strict=True)
    )


def double_if_longer(value, passed):
    return (value + 1) * 2 if passed else value + 1


def restart(value, passed):
    return value + 1 if passed == 0 else 0


def only_append(value, passed):
    return value * 2**passed if passed else value + 1


def append_then_add(value, passed):
    return value * 2**passed + 1


def code_always_doubled(n_of_length, symbols):
    code, value, width = {}, 0, 0
    for length, n in enumerate(n_of_length, start=1):
        for _ in range(n):
            if code:
                value = (value + 1) << max(1, length - width)
            width = length
            code[symbols[len(code)]] = f"{value:0{length}b}"
    return code


def code_lengths_from_zero(n_of_length, symbols):
    code, value, place = {}, 0, 0
    for length, n in enumerate(n_of_length):
        for _ in range(n):
            code[symbols[place]] = f"{value:0{length}b}"
            value += 1
            place += 1
        value <<= 1
    return code


def code_longest_first(n_of_length, symbols):
    lengths = [k + 1 for k, n in enumerate(n_of_length) for _ in range(n)]
    code, value = {}, 0
    for k in reversed(range(len(lengths))):
        code[symbols[k]] = f"{value:0{lengths[k]}b}"
        if k:
            fewer = lengths[k] - lengths[k - 1]
            value = -(-(value + 1) // 2**fewer)
    return code


def code_swapped(n_of_length, symbols):
    code, value, place = {}, 0, 0
    for length, n in enumerate(n_of_length, start=1):
        for _ in range(n):
            code[symbols[place]] = f"{2**length - 1 - value:0{length}b}"
            value, place = value + 1, place + 1
        value *= 2
    return code


def changed_words(change):
    return lambda n_of_length, symbols: {
        symbol: change(word) for symbol, word in code_by_counting(n_of_length, symbols).items()
    }


def without_leading_zeros(word):
    return bin(int(word, 2))[2:]


def value_of(word):
    return int(word, 2)


def code_fixed(n_of_length, symbols):
    longest = max(length for length, n in enumerate(n_of_length, 1) if n)
    return {symbol: np.binary_repr(k, longest) for k, symbol in enumerate(symbols)}


def code_unary(n_of_length, symbols):
    return {symbol: k * "1" + "0" for k, symbol in enumerate(symbols)}


def code_sorted(n_of_length, symbols):
    return code_by_counting(n_of_length, sorted(symbols))


def code_like_the_library(n_of_length, symbols):
    lengths = [k + 1 for k, n in enumerate(n_of_length) for _ in range(n)]
    return canonical_code(dict(zip(symbols, lengths, strict=True)))


def code_for_reading(n_of_length, symbols):
    return {w: s for s, w in code_by_counting(n_of_length, symbols).items()}


def code_enumerated(n_of_length, symbols):
    return dict(enumerate(code_by_counting(n_of_length, symbols).values()))


def code_list(n_of_length, symbols):
    return list(code_by_counting(n_of_length, symbols).values())


# 11.byte_budget


def entries_of(codes, gap_bits):
    """Gaps and codes as they stand in the two streams, fillers included."""
    gaps, stored, gap = [], [], 0
    for code in codes.ravel().tolist():
        if code or gap == 2**gap_bits - 1:
            gaps.append(gap)
            stored.append(code)
            gap = 0
        else:
            gap += 1
    while stored and stored[-1] == 0:
        gaps.pop()
        stored.pop()
    return gaps, stored


def bytes_by_writing(option):
    total = 0
    for codes, codebook, bias in option["layers"]:
        gaps, stored = entries_of(codes, option["gap_bits"])
        width = len(f"{len(codebook) - 1:b}")
        first = "".join(np.binary_repr(gap, option["gap_bits"]) for gap in gaps)
        second = "".join(np.binary_repr(code, width) for code in stored)
        for stream in (first, second):
            total += len(np.packbits(np.array(list(stream), dtype=np.uint8)))
        total += codebook[1:].nbytes + bias.nbytes
    return total


def budget_by_writing(options, limit):
    sizes = {k: bytes_by_writing(o) for k, o in enumerate(options) if o["error"] <= limit}
    best = min(sizes, key=sizes.get)
    return best, sizes[best]


def streams_of(codes, gap_bits, codebook):
    """Number of entries, and bits of both streams."""
    places = np.flatnonzero(codes.ravel())
    runs = np.diff(np.concatenate([[-1], places])) - 1
    n = len(places) + int(np.sum(runs // 2**gap_bits))
    return n, n * gap_bits, n * math.ceil(math.log2(len(codebook)))


def budget_by_formula(options, limit):
    best = None
    for place, option in enumerate(options):
        if option["error"] > limit:
            continue
        size = 0
        for codes, codebook, bias in option["layers"]:
            _, gaps, stored = streams_of(codes, option["gap_bits"], codebook)
            size += math.ceil(gaps / 8) + math.ceil(stored / 8)
            size += 4 * (len(codebook) - 1) + 4 * len(bias)
        if best is None or size < best[1]:
            best = [place, size]
    return best


def budget_as_array(options, limit):
    return np.array(budget_by_formula(options, limit), dtype=np.float32)


def count_bytes(option, **change):
    """The bytes of an option, but with one thing done otherwise."""
    wrong = {
        "fillers": lambda run, g: run // 2**g,
        "entries": lambda kept, fillers: (kept + fillers, kept + fillers),
        "width": lambda k: (k - 1).bit_length(),
        "places": lambda codes, codebook: len(codebook),
        "first": 0,
        "gap_bits": lambda g: g,
        "values": lambda book, bias: len(book) - 1 + len(bias),
        "size": 4,
        "close": lambda streams: sum(-(-a // 8) - (-b // 8) for a, b in streams),
        "order": lambda codes: [codes.ravel()],
        "tail": False,
        **change,
    }
    streams, values = [], 0
    for codes, codebook, bias in option["layers"]:
        kept = fillers = 0
        for line in wrong["order"](codes):
            run = wrong["first"]
            for code in line:
                if code:
                    kept += 1
                    fillers += wrong["fillers"](run, option["gap_bits"])
                    run = 0
                else:
                    run += 1
            fillers += wrong["tail"] * wrong["fillers"](run, option["gap_bits"])
        n_gaps, n_codes = wrong["entries"](kept, fillers)
        gap_bits = wrong["gap_bits"](option["gap_bits"])
        streams.append(
            (n_gaps * gap_bits, n_codes * wrong["width"](wrong["places"](codes, codebook)))
        )
        values += wrong["values"](codebook, bias)
    return wrong["close"](streams) + wrong["size"] * values


def budget_with(**change):
    def budget(options, limit):
        allowed = [k for k in range(len(options)) if options[k]["error"] <= limit]
        best = min(allowed, key=lambda k: count_bytes(options[k], **change))
        return best, count_bytes(options[best], **change)

    return budget


def passed_only(run, g):
    """A filler passes 2**g - 1 zeros, and is forgotten to be one itself."""
    n = 0
    while run > 2**g - 1:
        run -= 2**g - 1
        n += 1
    return n


def reaching_too_far(run, g):
    n = 0
    while run > 2**g:
        run -= 2**g
        n += 1
    return n


def budget_chosen(choose):
    def budget(options, limit):
        sizes = [count_bytes(option) for option in options]
        best = choose([option["error"] for option in options], sizes, limit, options)
        return best, sizes[best]

    return budget


def strictly_below(errors, sizes, limit, options):
    return min((k for k in range(len(sizes)) if errors[k] < limit), key=sizes.__getitem__)


def cheapest_of_all(errors, sizes, limit, options):
    return sizes.index(min(sizes))


def best_error(errors, sizes, limit, options):
    return errors.index(min(errors))


def nearest_to_the_limit(errors, sizes, limit, options):
    return errors.index(max(error for error in errors if error <= limit))


def first_one(errors, sizes, limit, options):
    for k, error in enumerate(errors):
        if error <= limit:
            return k


def fewest_weights(errors, sizes, limit, options):
    kept = [sum((codes != 0).sum() for codes, _, _ in one["layers"]) for one in options]
    return min((k for k in range(len(sizes)) if errors[k] <= limit), key=lambda k: kept[k])


def budget_place_only(options, limit):
    return budget_by_writing(options, limit)[0]


def budget_bytes_only(options, limit):
    return budget_by_writing(options, limit)[1]


def budget_turned(options, limit):
    place, size = budget_by_writing(options, limit)
    return size, place


def budget_filtered(options, limit):
    sizes = [bytes_by_writing(option) for option in options if option["error"] <= limit]
    return int(np.argmin(sizes)), min(sizes)


RIGHT = {
    "11.entropy_bound": [
        bound_by_numpy,
        bound_by_counter,
        bound_by_minilib,
        bound_by_bincount,
        bound_in_single_precision,
    ],
    "11.canonical": [code_by_counting, code_by_fractions, code_by_minilib, code_by_text],
    "11.byte_budget": [budget_by_writing, budget_by_formula, budget_as_array, budget_with()],
}

WRONG = {
    "11.entropy_bound": {
        "nan": bound_nan,
        "negative codes": bound_bincount_negative,
        "natural logarithm": bound_with(shannon_ln),
        "logarithm to base 10": bound_with(shannon_log10),
        "bits": bound_in_bits,
        "per symbol": bound_mean,
        "entropies added": bound_entropies_added,
        "mean of the entropies": bound_mean_entropy,
        "one table for all": bound_pooled,
        "each layer rounded": bound_rounding_layers,
        "fixed length": bound_with(fixed_bits),
        "counts forgotten": bound_with(equally_likely),
        "whole bits": bound_with(whole_bits),
        "a bit at least": bound_with(at_least_one_bit),
        "zeros left out": bound_nonzero,
        "signs dropped": bound_absolute,
        "first layer only": bound_return_inside,
        "last layer only": bound_overwritten,
        "minus forgotten": bound_negative,
        "rounded down": bound_rounded_down,
        "rounded to the nearest": bound_rounded,
        "not rounded": bound_not_rounded,
        "bits of each layer rounded": bound_rounding_bits,
        "entropy rounded": bound_with(lambda codes: round(shannon(codes), 3)),
        "one too many": bound_plus_one,
    },
    "11.canonical": {
        "no zeros appended": code_with(lambda value, passed: value + 1),
        "one zero only": code_with(double_if_longer),
        "from 0 again": code_with(restart),
        "1 forgotten": code_with(only_append),
        "1 added last": code_with(append_then_add),
        "always doubled": code_always_doubled,
        "lengths from 0": code_lengths_from_zero,
        "longest first": code_longest_first,
        "0 and 1 swapped": code_swapped,
        "codewords reversed": changed_words(lambda word: "".join(reversed(word))),
        "leading zeros lost": changed_words(without_leading_zeros),
        "numbers, not text": changed_words(value_of),
        "all as long": code_fixed,
        "unary": code_unary,
        "symbols sorted": code_sorted,
        "sorted among equals": code_like_the_library,
        "turned over": code_for_reading,
        "numbered": code_enumerated,
        "only codewords": code_list,
        "only lengths": changed_words(len),
    },
    "11.byte_budget": {
        "place only": budget_place_only,
        "bytes only": budget_bytes_only,
        "turned round": budget_turned,
        "codebook forgotten": budget_with(values=lambda book, bias: len(bias)),
        "zero stored": budget_with(values=lambda book, bias: len(book) + len(bias)),
        "biases forgotten": budget_with(values=lambda book, bias: len(book) - 1),
        "one byte each": budget_with(size=1),
        "eight bytes each": budget_with(size=8),
        "fillers forgotten": budget_with(fillers=lambda run, g: 0),
        "one filler at most": budget_with(fillers=lambda run, g: 1 if run > 2**g - 1 else 0),
        "filler stands for nothing": budget_with(fillers=passed_only),
        "gap too large": budget_with(fillers=reaching_too_far),
        "distance, not gap": budget_with(fillers=lambda run, g: (run + 1) // 2**g),
        "fillers without a code": budget_with(entries=lambda kept, extra: (kept + extra, kept)),
        "fillers without a gap": budget_with(entries=lambda kept, extra: (kept, kept + extra)),
        "first zeros lost": budget_with(first=-1),
        "end filled": budget_with(tail=True),
        "row by row": budget_with(order=list),
        "by column": budget_with(order=lambda codes: [codes.T.ravel()]),
        "gaps forgotten": budget_with(gap_bits=lambda g: 0),
        "codes forgotten": budget_with(width=lambda k: 0),
        "no code for the filler": budget_with(width=lambda k: math.ceil(math.log2(k - 1))),
        "one bit too many": budget_with(width=lambda k: len(bin(k)) - 2),
        "values that occur": budget_with(places=lambda codes, book: int(codes.max()) + 1),
        "parts of bits": budget_with(width=math.log2),
        "both streams together": budget_with(
            close=lambda streams: sum(math.ceil((a + b) / 8) for a, b in streams)
        ),
        "rounded once": budget_with(close=lambda ss: math.ceil(sum(a + b for a, b in ss) / 8)),
        "rounded down": budget_with(close=lambda ss: sum(a // 8 + b // 8 for a, b in ss)),
        "one byte too many": budget_with(
            close=lambda streams: sum(bits // 8 + 1 for pair in streams for bits in pair)
        ),
        "not rounded": budget_with(close=lambda ss: sum(a / 8 + b / 8 for a, b in ss)),
        "bits and bytes added": budget_with(close=lambda ss: sum(a + b for a, b in ss)),
        "below the limit": budget_chosen(strictly_below),
        "limit ignored": budget_chosen(cheapest_of_all),
        "most accurate": budget_chosen(best_error),
        "largest error": budget_chosen(nearest_to_the_limit),
        "first allowed": budget_chosen(first_one),
        "fewest weights": budget_chosen(fewest_weights),
        "place among the allowed": budget_filtered,
    },
}
