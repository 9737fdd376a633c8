"""The decoding half of the lzma module: generators which yield output, or None where they need more input."""

from _lzma_base import AFTER_LITERAL, DOWN, FILTER_LZMA2, TOP, UP, Models, corrupt, preparing

_SHOW = 1 << 16         # bytes the decoder produces before it hands them out
_SLACK = 1 << 18        # bytes a window may grow beyond the dictionary before its old end is cut off
_START = 16             # zero bytes in front of an empty window, so that there is always a byte before


class Source:
    """Input for the decoding generators, which yield None when they need more of it."""

    def __init__(self):
        self.data = b""
        self.at = 0
        self.before = 0     # bytes that have been dropped from data

    def used(self):
        """Return how many bytes have been read in all."""
        return self.before + self.at

    def more(self, data):
        """Add input."""
        self.before += self.at
        self.data = self.data[self.at:] + data if self.at < len(self.data) else data
        self.at = 0

    def take(self, count):
        """Read count bytes, a small number of them."""
        while len(self.data) - self.at < count:
            yield None
        at = self.at
        self.at = at + count
        return self.data[at:at + count]

    def number(self):
        """Read a number of one to nine bytes; return it and the bytes it had."""
        raw = b""
        value = 0
        while True:
            byte = yield from self.take(1)
            raw += byte
            value |= (byte[0] & 127) << 7 * (len(raw) - 1)
            if byte[0] < 128:
                if len(raw) > 1 and not byte[0]:
                    raise corrupt()
                return value, raw
            if len(raw) == 9:
                raise corrupt()


class Decoder(Models):
    """The LZMA decoder and its window."""

    def __init__(self, dict_size):
        self.keep = max(dict_size, 4096)
        self.reset_window()

    def reset_window(self):
        """Forget everything that was decoded."""
        self.window = bytearray(_START)
        self.low = _START
        self.shown = _START     # up to where the output has been handed out

    def trim(self):
        """Cut the window's old end off when it has grown well beyond the dictionary; return how much was cut."""
        if len(self.window) <= self.keep + _SLACK:
            return 0
        # A multiple of 16 keeps the low bits of the position, which the models use, in the index.
        cut = (len(self.window) - self.keep) & ~15
        del self.window[:cut]
        self.low = 0
        self.shown -= cut
        return cut

    def fresh(self):
        """Return the output that has not been handed out yet."""
        piece = bytes(self.window[self.shown:])
        self.shown = len(self.window)
        return piece

    def run(self, limit, marker):
        """Decode limit bytes, or up to the end marker if limit is None; marker tells whether there may be one.

        Yields True when much output waits, and None for more input, which is to be sent as (data, begin, end).
        Returns how many bytes of the last input were not needed. All steps of the range coder are written out, as
        calls would cost more than the steps themselves.
        """
        lc, pb_mask, lp_mask, lc_shift = self.lc, (1 << self.pb) - 1, (1 << self.lp) - 1, 8 - self.lc
        literal, is_match, is_rep, is_rep0 = self.literal, self.is_match, self.is_rep, self.is_rep0
        is_rep0_long, is_rep1, is_rep2 = self.is_rep0_long, self.is_rep1, self.is_rep2
        match_length, rep_length = self.match_length, self.rep_length
        slots, special, align = self.slots, self.special, self.align
        up, down, after_literal = UP, DOWN, AFTER_LITERAL
        window = self.window
        push = window.append
        state = self.state
        rep0, rep1, rep2, rep3 = self.reps
        low, keep = self.low, self.keep
        place = len(window)
        last = None if limit is None else place + limit
        data, at, end = yield None
        head = data[at:at + 1]
        at += 1
        if head != b"\0":
            raise corrupt()
        code = 0
        for _ in range(4):
            if at == end:
                data, at, end = yield None
            code = code << 8 | data[at]
            at += 1
        width = 0xFFFFFFFF
        top = TOP
        ended = False
        while not ended:
            goal = place + _SHOW if last is None else min(place + _SHOW, last)
            if place == last:
                if width < top:
                    if at == end:
                        data, at, end = yield None
                    width <<= 8
                    code = code << 8 | data[at]
                    at += 1
                if not code:
                    break
                if not marker:
                    raise corrupt()
                # What is left can only be the end marker.
                goal = place + 1
            while place < goal:
                around = place & pb_mask
                if width < top:
                    if at == end:
                        data, at, end = yield None
                    width <<= 8
                    code = code << 8 | data[at]
                    at += 1
                index = state << 4 | around
                p = is_match[index]
                bound = (width >> 11) * p
                if code < bound:
                    width = bound
                    is_match[index] = up[p]
                    models = literal[(place & lp_mask) << lc | window[-1] >> lc_shift]
                    node = 1
                    if state > 6:
                        # After a match the byte it would have continued with helps to guess.
                        match = window[place - rep0 - 1]
                        offset = 256
                        while node < 256:
                            if width < top:
                                if at == end:
                                    data, at, end = yield None
                                width <<= 8
                                code = code << 8 | data[at]
                                at += 1
                            match += match
                            bit = match & offset
                            index = offset + bit + node
                            p = models[index]
                            bound = (width >> 11) * p
                            if code < bound:
                                width = bound
                                models[index] = up[p]
                                node += node
                                if bit:
                                    break
                            else:
                                width -= bound
                                code -= bound
                                models[index] = down[p]
                                node += node + 1
                                if not bit:
                                    break
                    while node < 256:
                        if width < top:
                            if at == end:
                                data, at, end = yield None
                            width <<= 8
                            code = code << 8 | data[at]
                            at += 1
                        p = models[node]
                        bound = (width >> 11) * p
                        if code < bound:
                            width = bound
                            models[node] = up[p]
                            node += node
                        else:
                            width -= bound
                            code -= bound
                            models[node] = down[p]
                            node += node + 1
                    push(node & 255)
                    place += 1
                    state = after_literal[state]
                    continue
                width -= bound
                code -= bound
                is_match[index] = down[p]
                if width < top:
                    if at == end:
                        data, at, end = yield None
                    width <<= 8
                    code = code << 8 | data[at]
                    at += 1
                p = is_rep[state]
                bound = (width >> 11) * p
                if code < bound:
                    width = bound
                    is_rep[state] = up[p]
                    repeated = False
                    models = match_length
                else:
                    width -= bound
                    code -= bound
                    is_rep[state] = down[p]
                    repeated = True
                    if width < top:
                        if at == end:
                            data, at, end = yield None
                        width <<= 8
                        code = code << 8 | data[at]
                        at += 1
                    p = is_rep0[state]
                    bound = (width >> 11) * p
                    if code < bound:
                        width = bound
                        is_rep0[state] = up[p]
                        if width < top:
                            if at == end:
                                data, at, end = yield None
                            width <<= 8
                            code = code << 8 | data[at]
                            at += 1
                        p = is_rep0_long[index]
                        bound = (width >> 11) * p
                        if code < bound:
                            width = bound
                            is_rep0_long[index] = up[p]
                            if rep0 >= place - low or rep0 >= keep:
                                raise corrupt()
                            push(window[place - rep0 - 1])
                            place += 1
                            state = 9 if state < 7 else 11
                            continue
                        width -= bound
                        code -= bound
                        is_rep0_long[index] = down[p]
                    else:
                        width -= bound
                        code -= bound
                        is_rep0[state] = down[p]
                        # The second and the third older distance are told by one bit more each.
                        for models in (is_rep1, is_rep2):
                            if width < top:
                                if at == end:
                                    data, at, end = yield None
                                width <<= 8
                                code = code << 8 | data[at]
                                at += 1
                            p = models[state]
                            bound = (width >> 11) * p
                            if code < bound:
                                width = bound
                                models[state] = up[p]
                                if models is is_rep1:
                                    rep0, rep1 = rep1, rep0
                                else:
                                    rep0, rep1, rep2 = rep2, rep0, rep1
                                break
                            width -= bound
                            code -= bound
                            models[state] = down[p]
                        else:
                            rep0, rep1, rep2, rep3 = rep3, rep0, rep1, rep2
                    state = 8 if state < 7 else 11
                    models = rep_length
                # The length: two choices between three trees.
                base = 2 + 8 * around
                length = 2 - 8
                over = 8
                for choice in (0, 1):
                    if width < top:
                        if at == end:
                            data, at, end = yield None
                        width <<= 8
                        code = code << 8 | data[at]
                        at += 1
                    p = models[choice]
                    bound = (width >> 11) * p
                    if code < bound:
                        width = bound
                        models[choice] = up[p]
                        break
                    width -= bound
                    code -= bound
                    models[choice] = down[p]
                    base += 128
                    length += 8
                else:
                    base = 258
                    length = 18 - 256
                    over = 256
                node = 1
                while node < over:
                    if width < top:
                        if at == end:
                            data, at, end = yield None
                        width <<= 8
                        code = code << 8 | data[at]
                        at += 1
                    index = base + node
                    p = models[index]
                    bound = (width >> 11) * p
                    if code < bound:
                        width = bound
                        models[index] = up[p]
                        node += node
                    else:
                        width -= bound
                        code -= bound
                        models[index] = down[p]
                        node += node + 1
                length += node
                if not repeated:
                    models = slots[length - 2 if length < 6 else 3]
                    node = 1
                    while node < 64:
                        if width < top:
                            if at == end:
                                data, at, end = yield None
                            width <<= 8
                            code = code << 8 | data[at]
                            at += 1
                        p = models[node]
                        bound = (width >> 11) * p
                        if code < bound:
                            width = bound
                            models[node] = up[p]
                            node += node
                        else:
                            width -= bound
                            code -= bound
                            models[node] = down[p]
                            node += node + 1
                    rep3 = rep2
                    rep2 = rep1
                    rep1 = rep0
                    rep0 = node - 64
                    if rep0 > 3:
                        count = (rep0 >> 1) - 1
                        if rep0 < 14:
                            models = special[rep0]
                            rep0 = (2 | rep0 & 1) << count
                        else:
                            models = align
                            rep0 = 2 | rep0 & 1
                            for _ in range(count - 4):
                                if width < top:
                                    if at == end:
                                        data, at, end = yield None
                                    width <<= 8
                                    code = code << 8 | data[at]
                                    at += 1
                                width >>= 1
                                if code < width:
                                    rep0 += rep0
                                else:
                                    code -= width
                                    rep0 += rep0 + 1
                            rep0 <<= 4
                            count = 4
                        node = 1
                        weight = 1
                        for _ in range(count):
                            if width < top:
                                if at == end:
                                    data, at, end = yield None
                                width <<= 8
                                code = code << 8 | data[at]
                                at += 1
                            p = models[node]
                            bound = (width >> 11) * p
                            if code < bound:
                                width = bound
                                models[node] = up[p]
                                node += node
                            else:
                                width -= bound
                                code -= bound
                                models[node] = down[p]
                                node += node + 1
                                rep0 += weight
                            weight += weight
                        if rep0 == 0xFFFFFFFF:
                            if not marker or last is not None and place != last:
                                raise corrupt()
                            if width < top:
                                if at == end:
                                    data, at, end = yield None
                                code = code << 8 | data[at]
                                at += 1
                            if code:
                                raise corrupt()
                            ended = True
                            break
                    state = 7 if state < 7 else 10
                begin = place - rep0 - 1
                if begin < low or rep0 >= keep:
                    raise corrupt()
                place += length
                if length <= rep0 + 1:
                    window += window[begin:begin + length]
                else:
                    # The copy overlaps itself, so it repeats the last bytes.
                    tail = window[begin:]
                    window += (tail * (length // (rep0 + 1) + 1))[:length]
            if last is not None and place > last:
                raise corrupt()
            yield True
            cut = self.trim()
            place -= cut
            low = self.low
            if last is not None:
                last -= cut
        self.state = state
        self.reps = [rep0, rep1, rep2, rep3]
        return end - at


def _feed(source, decoder, steps, left):
    """Give the decoder its input, left bytes of it or as much as it wants if left is None, and pass its output on."""
    item = next(steps)
    try:
        while True:
            if item or source.at == len(source.data):
                piece = decoder.fresh()
                if piece:
                    yield piece
            if item:
                item = next(steps)
                continue
            if left == 0:
                raise corrupt()
            while source.at == len(source.data):
                yield None
            begin = source.at
            source.at = len(source.data) if left is None else min(len(source.data), begin + left)
            if left is not None:
                left -= source.at - begin
            item = steps.send((source.data, begin, source.at))
    except StopIteration as stop:
        unread = stop.value
    if left is not None and (left or unread):
        raise corrupt()
    source.at -= unread


def lzma1_stream(source, spec, limit, marker):
    """Decode a bare LZMA stream."""
    decoder = Decoder(spec["dict_size"])
    decoder.reset(spec["lc"], spec["lp"], spec["pb"])
    yield from _feed(source, decoder, decoder.run(limit, marker), None)


def _lzma2_stream(source, spec):
    """Decode LZMA2: chunks which say how long they are and what they reset."""
    decoder = Decoder(spec["dict_size"])
    need_reset = need_options = True
    while True:
        control = (yield from source.take(1))[0]
        if not control:
            return
        if control == 1 or control >= 0xE0:
            decoder.reset_window()
            need_reset = False
            need_options = True
        elif need_reset or 2 < control < 0x80:
            raise corrupt()
        if control < 0x80:
            left = int.from_bytes((yield from source.take(2)), "big") + 1
            while left:
                while source.at == len(source.data):
                    yield None
                piece = source.data[source.at:source.at + left]
                source.at += len(piece)
                left -= len(piece)
                decoder.window += piece
                yield decoder.fresh()
                decoder.trim()
            continue
        if need_options and control < 0xC0:
            raise corrupt()
        sizes = yield from source.take(4)
        size = ((control & 31) << 16 | sizes[0] << 8 | sizes[1]) + 1
        packed = (sizes[2] << 8 | sizes[3]) + 1
        if control >= 0xC0:
            options = (yield from source.take(1))[0]
            lc, lp, pb = options % 9, options // 9 % 5, options // 45
            if options >= 225 or lc + lp > 4:
                raise corrupt()
            need_options = False
            decoder.reset(lc, lp, pb)
        elif control >= 0xA0:
            decoder.reset(decoder.lc, decoder.lp, decoder.pb)
        yield from _feed(source, decoder, decoder.run(size, False), packed)


def raw_stream(source, chain):
    """Decode the data of a filter chain."""
    last = chain[-1]
    steps = _lzma2_stream(source, last) if last["id"] == FILTER_LZMA2 else lzma1_stream(source, last, None, True)
    before = [preparing(spec, False) for spec in reversed(chain[:-1])]
    if not before:
        yield from steps
        return
    for piece in steps:
        if piece is not None:
            for one in before:
                piece = one.convert(piece)
        if piece is None or piece:
            yield piece
    piece = b""
    for one in before:
        piece = (one.convert(piece) if piece else b"") + one.finish()
    if piece:
        yield piece
