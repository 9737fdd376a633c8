import logging

log = logging.getLogger('watch.alerts')


def check(quote, threshold):
    if abs(quote.change) >= threshold:
        log.warning('threshold %d%% passed by %s', threshold * 100, quote.code)
        return True
    return False


def send(quotes):
    raise NotImplementedError
