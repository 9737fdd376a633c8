/** Work that waits until nothing more comes for a while, such as the next key. It is not done when its part of the page is gone. */
import { getCurrentScope, onScopeDispose } from 'vue'

export interface Later {
  /** Does it after this wait, in milliseconds. A call before that begins the wait again. */
  call: (wait: number, work: () => void) => void
  stop: () => void
}

export function useLater(): Later {
  let timer: ReturnType<typeof setTimeout> | undefined
  const stop = (): void => clearTimeout(timer)
  const call: Later['call'] = (wait, work) => {
    stop()
    timer = setTimeout(work, wait)
  }
  if (getCurrentScope()) onScopeDispose(stop)
  return { call, stop }
}
