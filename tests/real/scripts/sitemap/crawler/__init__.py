from .spider import Crawler

__version__ = "0.3"
__all__ = ["Crawler"]
