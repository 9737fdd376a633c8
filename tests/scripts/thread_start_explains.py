# expect: failed error=RuntimeError message='ThreadPoolExecutor'
# Threads do not exist; the error says what to use.
import threading

threading.Thread(target=print).start()
