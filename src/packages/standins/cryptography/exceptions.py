"""The exceptions of cryptography."""


class UnsupportedAlgorithm(Exception):
    def __init__(self, message, reason=None):
        super().__init__(message)
        self._reason = reason


class AlreadyFinalized(Exception):
    pass


class AlreadyUpdated(Exception):
    pass


class NotYetFinalized(Exception):
    pass


class InvalidTag(Exception):
    pass


class InvalidSignature(Exception):
    pass


class InternalError(Exception):
    def __init__(self, msg, err_code=None):
        super().__init__(msg)
        self.err_code = err_code


class InvalidKey(Exception):
    pass
